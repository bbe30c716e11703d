import { Refusal } from "../refusal.ts";

/** An instance that did not start; a refusal stays what it is. */
export function unstarted(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Error && "hint" in error && typeof error.hint === "string" ? error.hint : "";
  return new Refusal(
    "runtime",
    503,
    `The server did not start: ${message} ${hint || "`offing logs` shows what it printed."}`,
    { because: message },
  );
}
