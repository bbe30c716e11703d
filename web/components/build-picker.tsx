import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import type { Build, ServerAt } from "../api/types.ts";
import { buildsQuery } from "../api/queries.ts";
import { duration, shortCommit } from "../format.ts";
import { paths, type ServerView } from "../paths.ts";
import { toneText } from "../ui/badge.tsx";
import { Prose } from "../ui/code.tsx";
import { Icon } from "../ui/icon.tsx";
import { Ago } from "../ui/moment.tsx";
import { Popover } from "../ui/popover.tsx";
import { tell } from "../api/problem.ts";
import { builds as looks } from "./status.tsx";

/** A server's builds, newest first, to look at one of them. */
export function BuildPicker({
  at,
  shown,
  newest,
  live,
  view,
}: {
  at: ServerAt;
  shown: string;
  newest: string;
  live: string | undefined;
  view: ServerView;
}) {
  const [open, setOpen] = useState(false);
  const { data, error } = useQuery({ ...buildsQuery(at), enabled: open });
  return (
    <Popover button="Builds" title="Builds, newest first" open={open} onOpenChange={setOpen}>
      {error && data === undefined ? (
        <p className="px-3.5 py-3 text-sm text-bad">
          <Prose>{tell(error).detail}</Prose>
        </p>
      ) : null}
      <ol className="max-h-88 overflow-auto py-1">
        {data?.items.map((build) => (
          <li key={build.id}>
            <Link
              // The newest is what the page shows by itself, and the one after it when there is one.
              to={paths.server(at, { view, build: build.id === newest ? undefined : build.id })}
              aria-current={build.id === shown ? "true" : undefined}
              onClick={() => setOpen(false)}
              className="flex gap-2 px-3.5 py-1.5 outline-offset-[-2px] hover:bg-hover aria-[current]:bg-hover"
            >
              <BuildLine build={build} live={build.id === live} />
            </Link>
          </li>
        ))}
      </ol>
      {data?.nextCursor ? (
        <p className="border-t border-line px-3.5 py-2 text-xs text-faint">
          The last {data.items.length} builds
        </p>
      ) : null}
    </Popover>
  );
}

function BuildLine({ build, live }: { build: Build; live: boolean }) {
  const { word, tone, icon } = looks[build.status];
  return (
    <>
      <Icon name={icon} className={`mt-0.5 ${toneText[tone]}`} />
      <span className="min-w-0 flex-1">
        <span className="flex items-center gap-2">
          <span className="truncate text-sm">{build.subject ?? "No commit was read"}</span>
          {live ? <span className="ml-auto shrink-0 text-xs font-medium text-good">live</span> : null}
        </span>
        <span className="block text-xs text-faint">
          {word}
          {build.error === null ? "" : ` at ${build.error.step}`}
          {build.commit === null ? null : (
            <>
              {" · "}
              <code>{shortCommit(build.commit)}</code>
            </>
          )}
          {build.durationMs === null ? "" : ` · ${duration(build.durationMs)}`} · <Ago at={build.createdAt} />
        </span>
      </span>
    </>
  );
}
