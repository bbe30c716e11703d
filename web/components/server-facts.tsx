import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Server, ServerAt } from "../api/types.ts";
import { buildQuery } from "../api/queries.ts";
import { shortCommit } from "../format.ts";
import { Ago } from "../ui/moment.tsx";
import { Endpoint } from "./endpoint.tsx";

/** What is live: where, of which commit, from which file, since when. */
export function ServerFacts({ at, server }: { at: ServerAt; server: Server }) {
  const live = server.deployments.find(({ slug }) => slug === "live");
  const { data: build } = useQuery({ ...buildQuery(at, live?.build ?? ""), enabled: live !== undefined });
  return (
    <dl className="flex flex-wrap gap-x-8 gap-y-2">
      <Fact name="Endpoint">
        <Endpoint url={server.endpoint} of={server.slug} />
        {live === undefined && server.external === null ? (
          <span className="ml-1 text-faint">answers once a build has succeeded</span>
        ) : null}
      </Fact>
      {server.external === null ? null : (
        <>
          {server.external.url === null ? null : (
            <Fact name="Runs at">
              <code className="break-all">{server.external.url}</code>
            </Fact>
          )}
          <Fact name="Read">
            <Ago at={server.external.refreshedAt} />
          </Fact>
          {server.external.problem === null ? null : (
            <Fact name="Asked in vain">
              <span className="text-bad">{server.external.problem}</span>
            </Fact>
          )}
        </>
      )}
      {live === undefined ? null : (
        <>
          {build === undefined || build.commit === null ? null : (
            <Fact name="Commit">
              <span className="flex min-w-0 items-baseline gap-1.5">
                <code>{shortCommit(build.commit)}</code>
                <span className="max-w-72 truncate text-soft" title={build.subject ?? undefined}>
                  {build.subject}
                </span>
              </span>
            </Fact>
          )}
          {build === undefined || build.entrypoint === null ? null : (
            <Fact name="Entrypoint">
              <code>{build.entrypoint}</code>
            </Fact>
          )}
          <Fact name="Went live">
            <Ago at={live.updatedAt} />
          </Fact>
        </>
      )}
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-xs text-faint">{name}</dt>
      <dd className="flex min-h-6 min-w-0 flex-wrap items-center">{children}</dd>
    </div>
  );
}
