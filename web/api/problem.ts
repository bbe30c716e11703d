import { OffingError, problems } from "../../src/contract/errors.ts";

/** What went wrong, for its reader: what happened, in which words, and what to do next. */
export interface Told {
  readonly code: OffingError["code"];
  readonly title: string;
  readonly detail: string;
  readonly hint: string | undefined;
}

/** Any error as something to show. What did not come from the API is a fault of these pages. */
export function tell(error: unknown): Told {
  if (error instanceof OffingError) {
    // The client's own words for "nothing answers" are for a terminal.
    const silent = error.code === "unavailable" && error.cause !== undefined;
    return {
      code: error.code,
      title: problems[error.code].title,
      detail: silent ? "Offing does not answer." : sentence(error.message),
      hint: silent
        ? "If it is not running, start it with `./offing up`. This page tries again by itself."
        : error.hint,
    };
  }
  return {
    code: "internal",
    title: "This page broke",
    detail: error instanceof Error ? sentence(error.message) : "Something unexpected happened.",
    hint: "Reload the page; if it happens again, the browser's console says where.",
  };
}

/** Whether trying the same again later can help. */
export function isPassing(error: unknown): boolean {
  return !(error instanceof OffingError) || error.code === "unavailable" || error.code === "internal";
}

export function isUnauthenticated(error: unknown): boolean {
  return error instanceof OffingError && error.code === "unauthenticated";
}

/** Begun large, unless it begins with a name such as `main.py`, and ended. */
function sentence(text: string): string {
  const begun = /^[a-z]+[ ,]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?:]$/.test(begun) ? begun : `${begun}.`;
}
