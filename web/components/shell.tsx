import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { Link, Outlet, useLocation, useNavigation, useRevalidator } from "react-router";
import { api } from "../api/client.ts";
import { tell } from "../api/problem.ts";
import { useMe } from "../api/use-me.ts";
import { paths } from "../paths.ts";
import { Button } from "../ui/button.tsx";
import { Brand } from "./brand.tsx";

/** The frame of every page: where one is, who one is, and the way out. */
export function Shell() {
  const me = useMe();
  useHeadingFocus();
  const busy = useNavigation().state !== "idle";
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-10 focus:rounded-md focus:bg-surface focus:px-3 focus:py-1.5"
      >
        Skip to the content
      </a>
      <header className="border-b border-line bg-surface">
        <div className="mx-auto flex h-12 max-w-6xl items-center gap-3 px-4 text-sm">
          <nav aria-label="Main" className="flex min-w-0 items-center gap-3">
            <Link to={paths.servers()} aria-label="Offing: all servers" className="rounded">
              <Brand />
            </Link>
            <span aria-hidden="true" className="h-4 w-px bg-line" />
            <span className="truncate text-soft" title="Your organization">
              {me.organization.name}
            </span>
          </nav>
          <div className="ml-auto flex items-center gap-2">
            <span className="hidden text-faint sm:inline">{me.principal.name}</span>
            <SignOut />
          </div>
        </div>
      </header>
      <main id="content" aria-busy={busy} className="mx-auto w-full max-w-6xl flex-1 px-4 pt-5 pb-16 sm:pt-6">
        <Outlet />
      </main>
    </div>
  );
}

function SignOut() {
  const queries = useQueryClient();
  const { revalidate } = useRevalidator();
  const leave = useMutation({
    mutationFn: () => api.call("signOut", {}, {}),
    onSuccess: async () => {
      queries.clear();
      await revalidate();
    },
  });
  return (
    <>
      {leave.error ? (
        <span role="alert" className="text-bad">
          {tell(leave.error).detail}
        </span>
      ) : null}
      <Button kind="quiet" disabled={leave.isPending} onClick={() => leave.mutate()}>
        Sign out
      </Button>
    </>
  );
}

/** A new page is told by its heading, as a page load would. */
function useHeadingFocus(): void {
  const { pathname } = useLocation();
  const shown = useRef(pathname);
  useEffect(() => {
    if (shown.current === pathname) return;
    shown.current = pathname;
    document.querySelector("h1")?.focus();
    window.scrollTo(0, 0);
  }, [pathname]);
}
