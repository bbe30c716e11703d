import type { Build, Server } from "../api/types.ts";
import { Badge, type Tone } from "../ui/badge.tsx";
import type { IconName } from "../ui/icon.tsx";

interface Look {
  readonly word: string;
  readonly tone: Tone;
  readonly icon: IconName;
}

const servers: Record<Server["status"], Look> = {
  live: { word: "Live", tone: "good", icon: "check" },
  building: { word: "Building", tone: "busy", icon: "turning" },
  failed: { word: "Failed", tone: "bad", icon: "cross" },
  empty: { word: "Nothing live", tone: "plain", icon: "circle" },
};

export const builds: Record<Build["status"], Look> = {
  queued: { word: "Queued", tone: "busy", icon: "clock" },
  building: { word: "Building", tone: "busy", icon: "turning" },
  succeeded: { word: "Succeeded", tone: "good", icon: "check" },
  failed: { word: "Failed", tone: "bad", icon: "cross" },
  canceled: { word: "Canceled", tone: "plain", icon: "stop" },
};

/** How a server stands; beside "live", whether something newer is being built. */
export function ServerStatus({ server }: { server: Server }) {
  const { tone, icon, ...look } = servers[server.status];
  // Nothing is built of a server that runs elsewhere.
  const word = server.external !== null && server.status === "failed" ? "Not reachable" : look.word;
  const newer = server.status === "live" && isUnderWay(server);
  return (
    <span className="inline-flex flex-wrap gap-1">
      <Badge tone={tone} icon={icon}>
        {word}
      </Badge>
      {newer ? (
        <Badge tone="busy" icon="turning">
          Building
        </Badge>
      ) : null}
    </span>
  );
}

export function BuildStatus({ status }: { status: Build["status"] }) {
  const { word, tone, icon } = builds[status];
  return (
    <Badge tone={tone} icon={icon}>
      {word}
    </Badge>
  );
}

/** Whether a server's newest build has not ended. */
export function isUnderWay(server: Server): boolean {
  return server.lastBuild?.status === "queued" || server.lastBuild?.status === "building";
}
