import { memo } from "react";
import type { Build, BuildLine } from "../api/types.ts";
import type { BuildLog as Log } from "../api/use-build-log.ts";
import { clock, count } from "../format.ts";
import { FollowingNote } from "./following-note.tsx";
import { ScrollBox } from "./scroll-box.tsx";

/** What a build said, by step, as it says it. */
export function BuildLog({ build, log }: { build: Build; log: Log }) {
  const groups = byStep(log.lines);
  return (
    <ScrollBox label="Build log" grown={log.lines} low={build.error !== null}>
      {log.dropped > 0 ? (
        <p className="px-4 py-1 text-sm text-faint">
          {count(log.dropped, "earlier line")} not shown here; all of the last build:{" "}
          <code>./offing logs {build.server} --build</code>
        </p>
      ) : null}
      {groups.map(({ step, lines }) => (
        <section key={step} aria-label={step}>
          <h3 className="sticky -top-1.5 z-[1] bg-sunken px-4 pt-1.5 pb-0.5 text-xs font-semibold text-soft">
            {step}
          </h3>
          {lines.map((line, index) => (
            // Lines are only ever added at the end of their step.
            // oxlint-disable-next-line react/no-array-index-key
            <Line key={index} line={line} fatal={build.error?.step === step} />
          ))}
        </section>
      ))}
      {groups.length === 0 ? <p className="px-4 py-3 text-sm text-faint">{emptyWords(build)}</p> : null}
      <FollowingNote following={log.following} />
    </ScrollBox>
  );
}

const Line = memo(function Line({ line, fatal }: { line: BuildLine; fatal: boolean }) {
  const err = line.stream === "err";
  // Many tools tell their progress on stderr: it is marked, and red only where the build failed.
  const mark = !err ? "border-transparent" : fatal ? "border-bad" : "border-edge";
  const ink = err && fatal ? "text-bad" : line.stream === "info" ? "text-ink" : "text-soft";
  return (
    <div
      data-stream={line.stream}
      title={err ? "stderr" : undefined}
      className={`flex border-l-2 pr-4 pl-3.5 font-mono text-xs leading-5 ${mark} hover:bg-hover`}
    >
      <time dateTime={line.at} className="w-26 shrink-0 text-faint tabular-nums max-sm:hidden">
        {clock(line.at)}
      </time>
      {err ? <span className="sr-only">stderr: </span> : null}
      <span className={`min-w-0 flex-1 break-words whitespace-pre-wrap ${ink}`}>{line.text || "\u00a0"}</span>
    </div>
  );
});

function emptyWords(build: Build): string {
  if (build.status === "queued") return "The build waits for the one before it.";
  return build.status === "building" ? "Nothing said yet." : "This build left no log.";
}

/** Steps in the order in which they first spoke: they may overlap, and each keeps its lines together. */
function byStep(lines: readonly BuildLine[]): { step: string; lines: BuildLine[] }[] {
  const groups = Map.groupBy(lines, (line) => line.step);
  return [...groups].map(([step, own]) => ({ step, lines: own }));
}
