import type { Upstream } from "../../snapshot/snapshot.ts";
import { codes } from "../../mcp/errors.ts";
import { Refusal } from "../refusal.ts";

/** An upstream that could not be reached, or broke off. `gone`: its instance has ended. */
export function brokenOff(upstream: Upstream, unsent: boolean, gone: boolean, error: Error): Refusal {
  const { boundary, message } = words(upstream.kind === "external", unsent, gone);
  return new Refusal(boundary, 502, message, { because: error.message, outcome: "upstream_gone" });
}

function words(external: boolean, unsent: boolean, gone: boolean) {
  if (external) {
    const message = unsent
      ? "The server, which runs elsewhere, cannot be reached. Try again; `offing servers` shows whether it answers."
      : "The server, which runs elsewhere, broke off its answer; the request may have taken effect.";
    return { boundary: "upstream", message } as const;
  }
  if (unsent) {
    const message =
      "The server's instance cannot be reached. Try again; `offing logs` shows what it printed.";
    return { boundary: "runtime", message } as const;
  }
  const why = "`offing logs` shows why; the request may have taken effect.";
  return gone
    ? ({
        boundary: "runtime",
        message: `The server's instance ended while it worked on this request. ${why}`,
      } as const)
    : ({ boundary: "upstream", message: `The server broke off its answer. ${why}` } as const);
}

/** Whatever went wrong before an upstream could be asked. */
export function failed(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const because = error instanceof Error ? error.message : String(error);
  return new Refusal("upstream", 502, `The server could not be asked: ${because}`, { because });
}

/** An answer that ended too early. */
export function withoutResponse(): Refusal {
  return new Refusal("upstream", 502, "The server ended its answer without a response.", {
    outcome: "upstream_gone",
  });
}

/** A response that could not be written for its client. */
export function unwritten(error: unknown): Refusal {
  const because = error instanceof Error ? error.message : String(error);
  const message = "The server's answer cannot be passed on to this client. The call may have taken effect.";
  return new Refusal("upstream", 502, message, { because });
}

/** A state that came a second time. */
export function usedTwice(): Refusal {
  return new Refusal(
    "protocol",
    200,
    "params.requestState was used already: the answers that came with it have been passed on. Use the newest one, or send the request anew without it.",
    { code: codes.invalidParams, because: "request state used twice" },
  );
}

/** A response that nobody was there to take. */
export function unkept(): Refusal {
  return new Refusal(
    "limit",
    503,
    "The response came while nobody was there to take it, and there was no room to keep it: that is 1 MiB for one call, and 8 MiB for all of yours. The call may have taken effect.",
  );
}

/** An upstream that waits for an answer and could not be given it. */
export function untold(error: unknown): Refusal {
  const because = error instanceof Error ? error.message : String(error);
  return new Refusal(
    "upstream",
    502,
    "The server could not be told the answer that it waits for. Send the request anew; this one may have taken effect.",
    { because, outcome: "upstream_gone" },
  );
}
