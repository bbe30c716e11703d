import { useRouteError } from "react-router";
import { tell } from "../api/problem.ts";
import { Command, Prose } from "../ui/code.tsx";
import { Alone } from "./problem-pages.tsx";

/** A sign-in link that did not work: why, and how to get another. */
export function SignInFailedPage() {
  const { detail } = tell(useRouteError());
  return (
    <Alone title="This link does not sign you in">
      <p>
        <Prose>{detail}</Prose>
      </p>
      <p>A link works once, and for a short time. Make a new one on the machine where Offing runs:</p>
      <Command>./offing sign-in</Command>
    </Alone>
  );
}
