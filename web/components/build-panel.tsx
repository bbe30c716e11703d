import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { Link } from "react-router";
import type { Build, Server, ServerAt } from "../api/types.ts";
import { tell } from "../api/problem.ts";
import { buildQuery } from "../api/queries.ts";
import { type BuildLog as Log, isOver, useBuildLog } from "../api/use-build-log.ts";
import { duration, shortCommit } from "../format.ts";
import { paths, type ServerView } from "../paths.ts";
import { Button } from "../ui/button.tsx";
import { Prose } from "../ui/code.tsx";
import { Loading } from "../ui/empty.tsx";
import { Icon } from "../ui/icon.tsx";
import { Ago, Running } from "../ui/moment.tsx";
import { Notice } from "../ui/notice.tsx";
import { BuildFailure } from "./build-failure.tsx";
import { BuildLog } from "./build-log.tsx";
import { BuildPicker } from "./build-picker.tsx";
import { BuildSteps, progressOf } from "./build-steps.tsx";
import { BuildStatus } from "./status.tsx";

/**
 * One build of a server: the newest, which follows whatever is started
 * anywhere, or the one that the address names.
 */
export function BuildPanel({
  at,
  server,
  named,
  view,
}: {
  at: ServerAt;
  server: Server;
  named: string | null;
  view: ServerView;
}) {
  const newest = server.lastBuild?.id;
  const shown = named ?? newest;
  if (shown === undefined || newest === undefined) return null;
  return <ShownBuild key={shown} at={at} server={server} id={shown} newest={newest} view={view} />;
}

function ShownBuild({
  at,
  server,
  id,
  newest,
  view,
}: {
  at: ServerAt;
  server: Server;
  id: string;
  newest: string;
  view: ServerView;
}) {
  const heading = useId();
  const { data: build, error } = useQuery(buildQuery(at, id));
  const [chosen, setChosen] = useState<boolean | null>(null);
  const [watched, setWatched] = useState(false);
  // Who saw it run keeps its log open when it ends.
  if (build !== undefined && !isOver(build) && !watched) setWatched(true);
  const open = chosen ?? (watched || (build !== undefined && build.status !== "succeeded"));
  const log = useBuildLog(at, id, open || (build !== undefined && !isOver(build)));
  const live = server.deployments.find(({ slug }) => slug === "live")?.build;

  return (
    <section aria-labelledby={heading} className="overflow-hidden rounded-xl border border-line bg-surface">
      <p role="status" className="sr-only">
        {build && watched ? progressOf(build) : ""}
      </p>
      <div className="flex flex-wrap items-center gap-x-2.5 gap-y-2 px-4 py-2.5">
        <h2 id={heading} className="font-semibold">
          {id === newest ? "Last build" : "Earlier build"}
        </h2>
        {build ? <BuildFacts build={build} /> : null}
        <div className="ml-auto flex gap-2">
          {id === newest ? null : (
            <Link
              to={paths.server(at, { view })}
              className="inline-flex h-7 items-center rounded-md px-2 text-sm font-medium text-accent hover:bg-hover"
            >
              To the newest
            </Link>
          )}
          <Button aria-expanded={open} onClick={() => setChosen(!open)}>
            Log
            <Icon
              name="down"
              className={`size-3.5 text-faint transition-transform ${open ? "rotate-180" : ""}`}
            />
          </Button>
          <BuildPicker at={at} shown={id} newest={newest} live={live} view={view} />
        </div>
      </div>
      {build ? (
        <BuildBody build={build} server={server} log={log} open={open} />
      ) : error ? (
        <BuildProblem error={error} />
      ) : (
        <Loading what="the build" />
      )}
    </section>
  );
}

function BuildFacts({ build }: { build: Build }) {
  return (
    <>
      <BuildStatus status={build.status} />
      <span className="flex min-w-0 items-center gap-1.5 text-sm text-soft">
        {build.commit === null ? null : <code>{shortCommit(build.commit)}</code>}
        <span className="max-w-80 truncate max-sm:max-w-48" title={build.subject ?? undefined}>
          {build.subject}
        </span>
      </span>
      <span className="text-sm text-faint">
        {build.durationMs === null ? (
          build.status === "building" ? (
            <Running since={build.createdAt} />
          ) : null
        ) : (
          <>
            {duration(build.durationMs)} · <Ago at={build.createdAt} />
          </>
        )}
      </span>
    </>
  );
}

function BuildBody({ build, server, log, open }: { build: Build; server: Server; log: Log; open: boolean }) {
  return (
    <>
      {build.error ? <BuildFailure server={server} build={build} error={build.error} /> : null}
      <div className={`flex flex-col gap-3 px-4 pb-3 ${build.error ? "pt-3.5" : "pt-1"}`}>
        <BuildSteps build={build} />
        {build.warnings.map((warning) => (
          <Notice key={warning} tone="warn" title={<Prose>{warning}</Prose>} />
        ))}
      </div>
      {open ? (
        <div className="border-t border-line">
          <BuildLog build={build} log={log} />
        </div>
      ) : null}
    </>
  );
}

function BuildProblem({ error }: { error: unknown }) {
  const { title, detail, hint } = tell(error);
  return (
    <div className="px-4 pb-4">
      <Notice tone="bad" title={title}>
        <p className="text-soft">
          <Prose>{hint === undefined ? detail : `${detail} ${hint}`}</Prose>
        </p>
      </Notice>
    </div>
  );
}
