import { type Command, text } from "../command.ts";
import { serverOf, UsageError } from "../context.ts";
import { printJson, say } from "../output.ts";

const eras = ["auto", "handshake", "stateless"] as const;
const switches = ["on", "off"] as const;

export const serversSet: Command = {
  name: "servers set",
  usage: "SERVER",
  summary:
    "Fix in which era a server is spoken to (auto, handshake, stateless), and whether stateless clients have sessions (on, off)",
  args: [1, 1],
  flags: { "upstream-era": { type: "string" }, "virtual-sessions": { type: "string" } },
  async run({ cli, args, flags }) {
    const upstreamEra = oneOf(eras, "upstream-era", text(flags, "upstream-era"));
    const wanted = oneOf(switches, "virtual-sessions", text(flags, "virtual-sessions"));
    if (upstreamEra === undefined && wanted === undefined) {
      throw new UsageError("name what to set: --upstream-era, --virtual-sessions");
    }
    const at = await serverOf(cli, args[0]!);
    const server = await cli.client.call("setServer", at, {
      ...(upstreamEra === undefined ? {} : { upstreamEra }),
      ...(wanted === undefined ? {} : { virtualSessions: wanted === "on" }),
    });
    if (cli.json) printJson(server);
    else {
      const spoken =
        server.upstreamEra === "auto" ? "in the client's own era" : `in the ${server.upstreamEra} era only`;
      const sessions = server.virtualSessions ? "have sessions" : "have no sessions";
      say(`${at.server} is spoken to ${spoken}; stateless clients ${sessions}.`);
    }
    return 0;
  },
};

function oneOf<const T extends string>(
  allowed: readonly T[],
  flag: string,
  value: string | undefined,
): T | undefined {
  if (value === undefined) return;
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw new UsageError(`--${flag} is one of ${allowed.join(", ")}`);
  return found;
}
