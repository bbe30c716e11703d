import { memo } from "react";
import { api } from "../api/client.ts";
import type { ServerAt, ServerLine } from "../api/types.ts";
import { tell } from "../api/problem.ts";
import { useTail } from "../api/use-tail.ts";
import { clock } from "../format.ts";
import { Command, Prose } from "../ui/code.tsx";
import { Empty, Loading } from "../ui/empty.tsx";
import { FollowingNote } from "./following-note.tsx";
import { ScrollBox } from "./scroll-box.tsx";

const KEEP = 500;

/** What the server's instances print, with the request during which they did. */
export function ServerLog({ at, callable }: { at: ServerAt; callable: string }) {
  const { items, more, error, following } = useTail<ServerLine>({
    of: `lines ${at.organization}/${at.server}`,
    keep: KEEP,
    list: (signal) => api.call("listServerLines", { ...at }, { limit: 200 }, { signal }),
    follow: ({ since, ...resume }) => api.stream("followServerLines", { ...at }, { since }, resume),
  });
  if (items === undefined) return error ? <Refused error={error} /> : <Loading what="the server log" />;
  if (items.length === 0)
    return (
      <Empty title="The server has printed nothing yet">
        <p>What its code prints or logs appears here as it does. Call it:</p>
        <Command>{callable}</Command>
        <FollowingNote following={following} />
      </Empty>
    );
  return (
    <ScrollBox label="Server log" grown={items}>
      {more ? (
        <p className="px-4 py-1 text-sm text-faint">
          The last {items.length} lines; more of them: <code>./offing logs {at.server} --since 1h</code>
        </p>
      ) : null}
      {items.map((line) => (
        <Line key={line.id} line={line} />
      ))}
      <FollowingNote following={following} />
    </ScrollBox>
  );
}

const streams: Record<ServerLine["stream"], string> = {
  stdout: "text-faint",
  stderr: "text-warn",
  system: "text-busy",
};

const Line = memo(function Line({ line }: { line: ServerLine }) {
  return (
    <div
      data-stream={line.stream}
      className="flex gap-x-3 px-4 font-mono text-xs leading-5 hover:bg-hover max-sm:flex-wrap"
    >
      <time dateTime={line.at} className="shrink-0 text-faint tabular-nums">
        {clock(line.at)}
      </time>
      <span className={`w-12 shrink-0 ${streams[line.stream]}`}>{line.stream}</span>
      <span className="min-w-0 flex-1 break-words whitespace-pre-wrap max-sm:order-1 max-sm:basis-full">
        {line.text || "\u00a0"}
      </span>
      {line.request === null ? null : (
        <span
          className="shrink-0 text-faint max-sm:ml-auto"
          title={`Printed during the request ${line.request}`}
        >
          <span className="sr-only">request </span>
          {line.request.length > 14 ? `…${line.request.slice(-8)}` : line.request}
        </span>
      )}
    </div>
  );
});

export function Refused({ error }: { error: unknown }) {
  const { title, detail, hint } = tell(error);
  return (
    <Empty title={title}>
      <p>
        <Prose>{hint === undefined ? detail : `${detail} ${hint}`}</Prose>
      </p>
    </Empty>
  );
}
