import { useQuery } from "@tanstack/react-query";
import { memo } from "react";
import { api } from "../api/client.ts";
import type { RequestRow, ServerAt } from "../api/types.ts";
import { serviceAccountsQuery } from "../api/queries.ts";
import { useMe } from "../api/use-me.ts";
import { useTail } from "../api/use-tail.ts";
import { clock, duration, moment } from "../format.ts";
import { Command } from "../ui/code.tsx";
import { Empty, Loading } from "../ui/empty.tsx";
import { Icon } from "../ui/icon.tsx";
import { Wide } from "../ui/wide.tsx";
import { FollowingNote } from "./following-note.tsx";
import { Refused } from "./server-log.tsx";

const KEEP = 200;

/** The requests to the server, newest first, those that were refused too. */
export function Requests({ at, callable }: { at: ServerAt; callable: string }) {
  const names = usePrincipalNames(at.organization);
  const { items, more, error, following } = useTail<RequestRow>({
    of: `requests ${at.organization}/${at.server}`,
    keep: KEEP,
    list: (signal) => api.call("listRequests", { ...at }, { limit: KEEP }, { signal }),
    follow: ({ since, ...resume }) => api.stream("followRequests", { ...at }, { since }, resume),
  });
  if (items === undefined) return error ? <Refused error={error} /> : <Loading what="the requests" />;
  if (items.length === 0)
    return (
      <Empty title="No requests yet">
        <p>Every request to the endpoint appears here as it ends, refused ones too. Make the first one:</p>
        <Command>{callable}</Command>
        <FollowingNote following={following} />
      </Empty>
    );
  return (
    <Wide label="Requests, newest first">
      <FollowingNote following={following} />
      <table className="w-full text-left text-sm">
        <caption className="sr-only">Requests, newest first</caption>
        <thead className="border-b border-line bg-sunken text-xs text-faint">
          <tr>
            {["When", "Request", "Outcome", "Total", "Client", "Principal"].map((title) => (
              <th
                key={title}
                scope="col"
                className={`px-3 py-2 font-medium first:pl-4 last:pr-4 ${title === "Total" ? "text-right" : ""}`}
              >
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line align-top">
          {items.toReversed().map((row) => (
            <Row key={row.id} row={row} name={nameOf(row.principal, names)} />
          ))}
        </tbody>
      </table>
      {more ? (
        <p className="border-t border-line px-4 py-2 text-sm text-faint">
          The last {items.length} requests; more of them:{" "}
          <code>./offing requests {at.server} --since 1h</code>
        </p>
      ) : null}
    </Wide>
  );
}

const Row = memo(function Row({ row, name }: { row: RequestRow; name: string }) {
  return (
    <tr className="hover:bg-hover" data-request={row.id}>
      <td className="py-1.5 pr-3 pl-4 whitespace-nowrap text-faint tabular-nums">
        <time dateTime={row.at} title={`${moment(row.at)}, request ${row.id}`}>
          {clock(row.at)}
        </time>
      </td>
      <th scope="row" className="px-3 py-1.5 font-normal">
        <code className={row.capability ? "text-soft" : ""}>{row.method ?? row.httpMethod}</code>
        {row.capability ? <code className="ml-2 font-semibold break-all">{row.capability.name}</code> : null}
      </th>
      <td className="px-3 py-1.5">
        <Outcome row={row} />
      </td>
      <td className="px-3 py-1.5 text-right whitespace-nowrap tabular-nums" title={shares(row)}>
        {duration(row.ms.total)}
      </td>
      <td className="px-3 py-1.5 whitespace-nowrap text-soft">
        {row.client ? (
          `${row.client.name} ${row.client.version ?? ""}`
        ) : (
          <span className="text-faint">not said</span>
        )}
      </td>
      <td className="py-1.5 pr-4 pl-3 whitespace-nowrap text-soft">{name}</td>
    </tr>
  );
});

const endings: Record<string, string> = {
  client_gone: "the client left",
  upstream_gone: "the server broke off",
  timeout: "took too long",
};

/** How a request ended, in words; where it was stopped, and why. */
function Outcome({ row }: { row: RequestRow }) {
  const bad = row.boundary !== null || row.isError || row.outcome !== "complete" || row.httpStatus >= 400;
  const words =
    row.boundary === null
      ? (endings[row.outcome] ??
        (row.isError ? "answered with an error" : row.httpStatus >= 400 ? "error" : "ok"))
      : `stopped at ${row.boundary}`;
  return (
    <>
      <span className={`inline-flex items-center gap-1 whitespace-nowrap ${bad ? "text-bad" : "text-good"}`}>
        <Icon name={bad ? "cross" : "check"} className="size-3.5" />
        <span className="tabular-nums">{row.httpStatus}</span> {words}
      </span>
      {row.error === null ? null : <p className="max-w-md min-w-40 break-words text-soft">{row.error}</p>}
    </>
  );
}

function shares({ ms }: RequestRow): string {
  const parts = { waking: ms.cold, authentication: ms.auth, policy: ms.policy, upstream: ms.upstream };
  const told = Object.entries(parts).filter(([, each]) => each >= 0.05);
  return told.map(([name, each]) => `${name} ${each.toFixed(1)} ms`).join(", ");
}

function nameOf(principal: string | null, names: ReadonlyMap<string, string>): string {
  return principal === null ? "nobody" : (names.get(principal) ?? principal);
}

/** Names for the ids of principals, as far as the viewer may see them. */
function usePrincipalNames(organization: string): ReadonlyMap<string, string> {
  const me = useMe();
  const { data } = useQuery(serviceAccountsQuery(organization));
  return new Map([
    ...(data?.items.map(({ id, slug }) => [id, slug] as const) ?? []),
    [me.principal.id, "you"],
  ]);
}
