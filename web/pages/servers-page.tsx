import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import type { Server } from "../api/types.ts";
import { serversQuery } from "../api/queries.ts";
import { useMe } from "../api/use-me.ts";
import { Endpoint } from "../components/endpoint.tsx";
import { Stale } from "../components/stale.tsx";
import { builds, ServerStatus } from "../components/status.tsx";
import { shortCommit } from "../format.ts";
import { paths } from "../paths.ts";
import { toneText } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { Command, Prose } from "../ui/code.tsx";
import { Empty } from "../ui/empty.tsx";
import { Icon } from "../ui/icon.tsx";
import { Ago } from "../ui/moment.tsx";
import { useTitle } from "../ui/title.ts";

const example = "./offing deploy https://github.com/you/your-server.git";

/** The organization's servers: what is live, what was built last, what asks for attention. */
export function ServersPage() {
  useTitle("Servers");
  const { organization } = useMe();
  const { data, error, dataUpdatedAt, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery(
    serversQuery(organization.slug),
  );
  const servers = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <Stale error={error} since={dataUpdatedAt} />
      <div className="mb-3 flex items-baseline gap-2">
        <h1 tabIndex={-1} className="text-xl font-semibold tracking-tight outline-none">
          Servers
        </h1>
        {servers.length > 0 ? (
          <span className="text-faint tabular-nums">
            {servers.length}
            {hasNextPage ? "+" : ""}
          </span>
        ) : null}
      </div>
      <div className="overflow-hidden rounded-xl border border-line bg-surface">
        {servers.length === 0 ? <NoServers /> : <ServersTable servers={servers} />}
      </div>
      {hasNextPage ? (
        <Button className="mt-3" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          Show more
        </Button>
      ) : null}
      {servers.length > 0 ? (
        <p className="mt-3 text-sm text-faint">
          Deploy another: <code>./offing deploy SOURCE</code>
        </p>
      ) : null}
    </>
  );
}

function NoServers() {
  return (
    <Empty title="No servers yet">
      <p>
        A server is made by its first deploy: give a Git URL, or a folder on the machine where you type this.
        It appears here while it builds.
      </p>
      <Command>{example}</Command>
    </Empty>
  );
}

function ServersTable({ servers }: { servers: readonly Server[] }) {
  return (
    <table className="w-full table-fixed text-left max-md:block">
      <caption className="sr-only">Servers of your organization</caption>
      <thead className="border-b border-line bg-sunken text-xs text-faint max-md:sr-only">
        <tr>
          <th scope="col" className="px-4 py-2 font-medium">
            Server
          </th>
          <th scope="col" className="w-44 px-4 py-2 font-medium">
            Status
          </th>
          <th scope="col" className="w-[42%] px-4 py-2 font-medium">
            Last build
          </th>
        </tr>
      </thead>
      <tbody className="divide-y divide-line max-md:block">
        {servers.map((server) => (
          <ServerRow key={server.id} server={server} />
        ))}
      </tbody>
    </table>
  );
}

function ServerRow({ server }: { server: Server }) {
  const { organization, slug } = server;
  return (
    <tr className="relative align-top transition-colors hover:bg-hover max-md:grid max-md:grid-cols-[1fr_auto] max-md:gap-x-3 max-md:px-4 max-md:py-3">
      <th scope="row" className="min-w-0 px-4 py-3 font-normal max-md:block max-md:p-0">
        <Link
          to={paths.server({ organization, server: slug })}
          className="font-semibold after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
        >
          {slug}
        </Link>
        <div className="text-sm">
          <Endpoint url={server.endpoint} of={slug} />
        </div>
      </th>
      <td className="px-4 py-3 max-md:p-0">
        <ServerStatus server={server} />
      </td>
      <td className="min-w-0 px-4 py-3 max-md:col-span-2 max-md:p-0 max-md:pt-1.5">
        <LastBuild server={server} />
      </td>
    </tr>
  );
}

function LastBuild({ server }: { server: Server }) {
  const build = server.lastBuild;
  if (server.external !== null) {
    return (
      <span className="text-faint">
        Runs elsewhere · read <Ago at={server.external.refreshedAt} />
      </span>
    );
  }
  if (build === null) return <span className="text-faint">None yet</span>;
  const { word, tone, icon } = builds[build.status];
  // Without a subject it has not read its source, or the reader may not read builds.
  const title = build.subject ?? (build.error === null ? null : "No commit was read");
  return (
    <div className="flex min-w-0 gap-2">
      <Icon name={icon} className={`mt-0.75 ${toneText[tone]}`} />
      <div className="min-w-0">
        {title === null ? null : <p className="truncate">{title}</p>}
        <p className="text-sm text-faint">
          {build.error === null ? word : <span className="text-bad">{`${word} at ${build.error.step}`}</span>}
          {build.commit === null ? null : (
            <>
              {" · "}
              <code>{shortCommit(build.commit)}</code>
            </>
          )}
          {" · "}
          <Ago at={build.createdAt} />
        </p>
        {build.error === null ? null : (
          <p className="mt-1 line-clamp-2 text-sm break-words text-soft">
            <Prose>{build.error.message}</Prose>
          </p>
        )}
        {build.status === "failed" && server.status === "live" ? (
          <p className="mt-1 text-sm text-faint">What was live before serves still.</p>
        ) : null}
        {build.warnings.map((warning) => (
          <p key={warning} className="mt-1 flex gap-1.5 text-sm text-soft">
            <Icon name="warning" className="mt-0.5 size-3.5 text-warn" />
            <span className="line-clamp-2 break-words">
              <Prose>{warning}</Prose>
            </span>
          </p>
        ))}
      </div>
    </div>
  );
}
