import {
  infiniteQueryOptions,
  keepPreviousData,
  type QueryCache,
  QueryClient,
  queryOptions,
} from "@tanstack/react-query";
import { api } from "./client.ts";
import type { Server, ServerAt } from "./types.ts";
import { isPassing } from "./problem.ts";

/** How often a page asks again. The browser stops asking while its tab is hidden. */
const OFTEN_MS = 1500;
const SELDOM_MS = 5000;

/** Keys by noun: what is invalidated with one noun is everything read of it. */
export const keys = {
  me: ["me"] as const,
  servers: (organization: string) => ["servers", organization] as const,
  serviceAccounts: (organization: string) => ["service-accounts", organization] as const,
  server: ({ organization, server }: ServerAt) => ["server", organization, server] as const,
  builds: ({ organization, server }: ServerAt) => ["builds", organization, server] as const,
  build: (at: ServerAt, build: string) => [...keys.builds(at), build] as const,
  capabilities: ({ organization, server }: ServerAt, artifact: string) =>
    ["capabilities", organization, server, artifact] as const,
};

export function createQueries(queryCache: QueryCache): QueryClient {
  return new QueryClient({
    queryCache,
    defaultOptions: {
      queries: {
        retry: (failures, error) => isPassing(error) && failures < 2,
        staleTime: 1000,
        // The program may be on this machine: being offline says nothing.
        networkMode: "always",
      },
    },
  });
}

export const meQuery = () =>
  queryOptions({ queryKey: keys.me, queryFn: ({ signal }) => api.call("me", {}, {}, { signal }) });

const underWay = (server: Server) =>
  server.lastBuild?.status === "queued" || server.lastBuild?.status === "building";

export const serversQuery = (organization: string) =>
  infiniteQueryOptions({
    queryKey: keys.servers(organization),
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      api.call(
        "listServers",
        { organization },
        { limit: 100, ...(pageParam === undefined ? {} : { cursor: pageParam }) },
        { signal },
      ),
    getNextPageParam: (page) => page.nextCursor ?? undefined,
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.items.some(underWay)) ? OFTEN_MS : 2 * OFTEN_MS,
  });

export const serverQuery = (at: ServerAt) =>
  queryOptions({
    queryKey: keys.server(at),
    queryFn: ({ signal }) => api.call("getServer", { ...at }, {}, { signal }),
    refetchInterval: OFTEN_MS,
  });

export const buildsQuery = (at: ServerAt) =>
  queryOptions({
    queryKey: keys.builds(at),
    queryFn: ({ signal }) => api.call("listBuilds", { ...at }, { limit: 50 }, { signal }),
    refetchInterval: SELDOM_MS,
  });

export const buildQuery = (at: ServerAt, build: string) =>
  queryOptions({
    queryKey: keys.build(at, build),
    queryFn: ({ signal }) => api.call("getBuild", { ...at, build }, {}, { signal }),
  });

/** What the live deployment offers; read anew when it selects another artifact. */
export const capabilitiesQuery = (at: ServerAt, artifact: string) =>
  queryOptions({
    queryKey: keys.capabilities(at, artifact),
    queryFn: ({ signal }) => api.call("listCapabilities", { ...at }, {}, { signal }),
    staleTime: Infinity,
    placeholderData: keepPreviousData,
  });

export const serviceAccountsQuery = (organization: string) =>
  queryOptions({
    queryKey: keys.serviceAccounts(organization),
    queryFn: ({ signal }) => api.call("listServiceAccounts", { organization }, { limit: 200 }, { signal }),
    staleTime: 60_000,
    retry: false,
  });
