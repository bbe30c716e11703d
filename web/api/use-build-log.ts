import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "./client.ts";
import type { Build, BuildLine, ServerAt } from "./types.ts";
import { keys } from "./queries.ts";
import { type Following, useStream } from "./use-stream.ts";

/** Lines that a page keeps of one build; the API may have more. */
export const KEPT_LINES = 3000;

export interface BuildLog {
  readonly lines: readonly BuildLine[];
  /** Lines that came before those, and are not kept here. */
  readonly dropped: number;
  readonly following: Following;
}

const nothing = { build: "", lines: [] as readonly BuildLine[], dropped: 0 };

/**
 * A build's log from its beginning, then as it grows. What the stream tells of
 * the build itself goes where everyone reads it; when the build ends, what it
 * may have changed is read anew.
 */
export function useBuildLog(at: ServerAt, build: string, wanted: boolean): BuildLog {
  const queries = useQueryClient();
  const [log, setLog] = useState(nothing);

  const following = useStream({
    of: wanted ? `${at.organization}/${at.server}/${build}` : null,
    open: ({ signal, after }) =>
      api.stream("followBuild", { ...at, build }, {}, { signal, ...(after === undefined ? {} : { after }) }),
    isLast: (event) => event.type === "build" && isOver(event.build),
    onEvents(events) {
      const lines = events.filter((event) => event.type === "line");
      if (lines.length > 0) setLog((before) => grow(before.build === build ? before : nothing, build, lines));
      const last = events.findLast((event) => event.type === "build")?.build;
      if (last === undefined) return;
      queries.setQueryData(keys.build(at, build), last);
      void queries.invalidateQueries({ queryKey: keys.builds(at), exact: true });
      if (isOver(last)) void queries.invalidateQueries({ queryKey: keys.server(at) });
    },
  });
  const shown = log.build === build ? log : nothing;
  return { lines: shown.lines, dropped: shown.dropped, following };
}

export function isOver(build: Pick<Build, "status">): boolean {
  return build.status === "succeeded" || build.status === "failed" || build.status === "canceled";
}

function grow(before: typeof nothing, build: string, more: readonly BuildLine[]): typeof nothing {
  const all = [...before.lines, ...more];
  const over = Math.max(0, all.length - KEPT_LINES);
  return { build, lines: over === 0 ? all : all.slice(over), dropped: before.dropped + over };
}
