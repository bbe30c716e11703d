import { type ReactNode, useEffect } from "react";
import { Link, useRevalidator, useRouteError } from "react-router";
import { tell, type Told } from "../api/problem.ts";
import { Brand } from "../components/brand.tsx";
import { paths } from "../paths.ts";
import { Button } from "../ui/button.tsx";
import { Command, Prose } from "../ui/code.tsx";
import { useTitle } from "../ui/title.ts";

/** Nobody is signed in: how to be. */
export function SignedOutPage() {
  return (
    <Alone title="You are not signed in">
      <p>
        Open the link that <Prose>{"`./offing up`"}</Prose> printed when it started, or make a new one on the
        machine where Offing runs:
      </p>
      <Command>./offing sign-in</Command>
    </Alone>
  );
}

/** What cannot be shown at all, the frame included. */
export function StartProblemPage() {
  const told = tell(useRouteError());
  const tryAgain = useTryAgain(told);
  if (told.code === "unauthenticated") return <SignedOutPage />;
  return (
    <Alone title={told.title}>
      <Words detail={told.detail} hint={told.hint} />
      <Button onClick={tryAgain}>Try again</Button>
    </Alone>
  );
}

/** A page that cannot be shown, within the frame. */
export function ProblemPage() {
  const told = tell(useRouteError());
  const tryAgain = useTryAgain(told);
  if (told.code === "unauthenticated") return <SignedOutPage />;
  if (told.code === "not_found") return <NotFoundPage detail={told.detail} hint={told.hint} />;
  return (
    <Within title={told.title}>
      <Words detail={told.detail} hint={told.hint} />
      <Button onClick={tryAgain}>Try again</Button>
    </Within>
  );
}

const AGAIN_MS = 3000;

/** Reads the page anew when asked, and by itself while nothing answers. A page that broke by itself is loaded anew. */
function useTryAgain(told: Told): () => void {
  const again = useReading(told);
  return told.code === "unavailable" ? again : () => window.location.reload();
}

/** Reads the page anew when asked, and by itself while nothing answers. */
export function useReading({ code }: Told): () => void {
  const { revalidate } = useRevalidator();
  const silent = code === "unavailable";
  useEffect(() => {
    if (!silent) return;
    const timer = window.setInterval(() => void revalidate(), AGAIN_MS);
    return () => window.clearInterval(timer);
  }, [silent, revalidate]);
  return () => void revalidate();
}

export function NotFoundPage({
  detail = "There is no page at this address.",
  hint,
}: {
  detail?: string;
  hint?: string | undefined;
}) {
  return (
    <Within title="Not found">
      <Words detail={detail} hint={hint} />
      <Link to={paths.servers()} className="font-medium text-accent underline-offset-2 hover:underline">
        All servers
      </Link>
    </Within>
  );
}

export function Words({ detail, hint }: { detail: string; hint?: string | undefined }) {
  return (
    <>
      <p>
        <Prose>{detail}</Prose>
      </p>
      {hint === undefined ? null : (
        <p>
          <Prose>{hint}</Prose>
        </p>
      )}
    </>
  );
}

function Within({ title, children }: { title: string; children: ReactNode }) {
  useTitle(title);
  return (
    <div className="mx-auto flex max-w-lg flex-col items-center gap-3 px-4 py-20 text-center text-soft">
      <h1 tabIndex={-1} className="text-xl font-semibold text-ink outline-none">
        {title}
      </h1>
      {children}
    </div>
  );
}

/** A page without the frame: there is nobody whose name the frame could show. */
export function Alone({ title, children }: { title: string; children: ReactNode }) {
  useTitle(title);
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center gap-6 px-4 pb-24">
      <Brand />
      <div className="flex w-full max-w-md flex-col items-center gap-3.5 rounded-xl border border-line bg-surface px-6 py-8 text-center text-soft">
        <h1 tabIndex={-1} className="text-lg font-semibold text-ink outline-none">
          {title}
        </h1>
        {children}
      </div>
    </main>
  );
}
