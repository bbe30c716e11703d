import { useEffect } from "react";
import { useRevalidator, useRouteError } from "react-router";
import { isPassing, tell } from "../api/problem.ts";
import { Button } from "../ui/button.tsx";
import { Command, Prose } from "../ui/code.tsx";
import { Alone, useReading, Words } from "./problem-pages.tsx";

/** A sign-in link that did not work: whether to try again, or why not and how to get another. */
export function SignInFailedPage() {
  const error = useRouteError();
  const told = tell(error);
  const tryAgain = useReading(told);
  useNextLink();
  if (isPassing(error)) {
    return (
      <Alone title={told.title}>
        <Words detail={told.detail} hint={told.hint} />
        <p>Your sign-in link is kept while this page is open.</p>
        <Button onClick={tryAgain}>Try again</Button>
      </Alone>
    );
  }
  return (
    <Alone title="This link does not sign you in">
      <p>
        <Prose>{told.detail}</Prose>
      </p>
      <p>A link works once, and for a short time. Make a new one on the machine where Offing runs:</p>
      <Command>./offing sign-in</Command>
    </Alone>
  );
}

/** Another link opened in this tab changes the fragment only, for which no browser loads a page. */
function useNextLink(): void {
  const { revalidate } = useRevalidator();
  useEffect(() => {
    const read = () => {
      if (window.location.hash !== "") void revalidate();
    };
    window.addEventListener("hashchange", read);
    return () => window.removeEventListener("hashchange", read);
  }, [revalidate]);
}
