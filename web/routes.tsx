import type { QueryClient } from "@tanstack/react-query";
import { replace, type RouteObject } from "react-router";
import { api } from "./api/client.ts";
import { isPassing } from "./api/problem.ts";
import { keys, meQuery, serverQuery, serversQuery } from "./api/queries.ts";
import { frameRoute } from "./api/use-me.ts";
import { Shell } from "./components/shell.tsx";
import { NotFoundPage, ProblemPage, StartProblemPage } from "./pages/problem-pages.tsx";
import { ServerPage } from "./pages/server-page.tsx";
import { ServersPage } from "./pages/servers-page.tsx";
import { SignInFailedPage } from "./pages/sign-in-page.tsx";
import { linkToken, paths } from "./paths.ts";
import { Loading } from "./ui/empty.tsx";

/** Every page, and what is read before it is shown. */
export function createRoutes(queries: QueryClient): RouteObject[] {
  const signIn = createSignIn(queries);
  return [
    {
      path: paths.signIn(),
      loader: signIn,
      HydrateFallback: () => <Loading what="the sign-in link" />,
      ErrorBoundary: SignInFailedPage,
    },
    {
      id: frameRoute,
      loader: () => queries.ensureQueryData(meQuery()),
      Component: Shell,
      HydrateFallback: () => <Loading what="your session" />,
      ErrorBoundary: StartProblemPage,
      children: [
        {
          ErrorBoundary: ProblemPage,
          children: [
            {
              path: paths.servers(),
              loader: async () => {
                const { organization } = await queries.ensureQueryData(meQuery());
                await queries.ensureInfiniteQueryData(serversQuery(organization.slug));
                return null;
              },
              Component: ServersPage,
            },
            {
              path: "/o/:organization/servers/:server",
              loader: async ({ params }) => {
                await queries.ensureQueryData(serverQuery(serverAt(params)));
                return null;
              },
              Component: ServerPage,
            },
            { path: "*", Component: NotFoundPage },
          ],
        },
      ],
    },
  ];
}

function serverAt(params: { organization?: string; server?: string }) {
  return { organization: params.organization ?? "", server: params.server ?? "" };
}

/**
 * Trades the link's token for a session. The token leaves the address bar and
 * the history before anything else happens; where the trade found no answer,
 * it is kept here, and nowhere else, for another try.
 */
function createSignIn(queries: QueryClient): () => Promise<Response> {
  let kept: string | undefined;
  return async () => {
    const token = linkToken(window.location.hash) ?? kept ?? "";
    kept = undefined;
    window.history.replaceState(window.history.state, "", paths.signIn());
    queries.clear();
    const me = await api.call("signIn", {}, { token }).catch((error: unknown) => {
      if (isPassing(error)) kept = token;
      throw error;
    });
    queries.setQueryData(keys.me, me);
    return replace(paths.servers());
  };
}
