import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import type { Server, ServerAt } from "../api/types.ts";
import { capabilitiesQuery, serverQuery } from "../api/queries.ts";
import { useLoaded } from "../api/use-loaded.ts";
import { BuildPanel } from "../components/build-panel.tsx";
import { Capabilities } from "../components/capabilities.tsx";
import { exampleCall } from "../components/example-call.ts";
import { Requests } from "../components/requests.tsx";
import { ServerFacts } from "../components/server-facts.tsx";
import { ServerLog } from "../components/server-log.tsx";
import { Stale } from "../components/stale.tsx";
import { ServerStatus } from "../components/status.tsx";
import { paths, serverView } from "../paths.ts";
import { Tabs } from "../ui/tabs.tsx";
import { useTitle } from "../ui/title.ts";

/** One server: what is live and where, its build as it runs, what it offers, what it says and who calls it. */
export function ServerPage() {
  const params = useParams();
  const at: ServerAt = { organization: params["organization"] ?? "", server: params["server"] ?? "" };
  const { data: server, error, dataUpdatedAt } = useLoaded(serverQuery(at));
  const [query] = useSearchParams();
  const view = serverView(query);
  const named = query.get("build");
  useTitle(server.slug);
  return (
    <>
      <Stale error={error} since={dataUpdatedAt} />
      <div className="mb-4 flex flex-col gap-3">
        <div>
          <nav aria-label="Above this page" className="text-sm">
            <Link to={paths.servers()} className="text-faint hover:text-ink hover:underline">
              Servers
            </Link>
          </nav>
          <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <h1 tabIndex={-1} className="text-xl font-semibold tracking-tight break-all outline-none">
              {server.slug}
            </h1>
            <ServerStatus server={server} />
          </div>
          {server.description === "" ? null : (
            <p className="mt-1 max-w-3xl text-soft">{server.description}</p>
          )}
        </div>
        <ServerFacts at={at} server={server} />
      </div>
      <BuildPanel at={at} server={server} named={named} view={view} />
      <Parts key={`${at.organization}/${at.server}`} at={at} server={server} named={named} />
    </>
  );
}

function Parts({ at, server, named }: { at: ServerAt; server: Server; named: string | null }) {
  const [query] = useSearchParams();
  const navigate = useNavigate();
  const live = server.deployments.find(({ slug }) => slug === "live");
  const offered = live?.artifact ?? server.external?.refreshedAt;
  const { data } = useQuery({ ...capabilitiesQuery(at, offered ?? ""), enabled: offered !== undefined });
  const callable = exampleCall(server.slug, data?.items ?? []);
  return (
    <div className="mt-5 overflow-hidden rounded-xl border border-line bg-surface">
      <Tabs
        label={`Parts of ${server.slug}`}
        value={serverView(query)}
        onChange={(view) =>
          void navigate(paths.server(at, { view, build: named ?? undefined }), {
            replace: true,
            preventScrollReset: true,
          })
        }
        parts={[
          {
            value: "capabilities",
            title: "Capabilities",
            count: data?.items.length,
            content: <Capabilities at={at} server={server} shown={named ?? server.lastBuild?.id} />,
          },
          { value: "requests", title: "Requests", content: <Requests at={at} callable={callable} /> },
          { value: "log", title: "Server log", content: <ServerLog at={at} callable={callable} /> },
        ]}
      />
    </div>
  );
}
