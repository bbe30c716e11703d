import type { IncomingHttpHeaders } from "node:http";
import type { Capability } from "../../mcp/manifest.ts";
import type { Upstream } from "../../snapshot/snapshot.ts";
import { AskError } from "../../upstream/client.ts";
import { Refusal } from "../refusal.ts";

/** Why a session at an external server could not be opened, as its caller is told. */
export function unopened(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const message = error instanceof Error ? error.message : String(error);
  const status = error instanceof AskError ? error.answer?.status : undefined;
  if (status === 401 || status === 403) return refusedThere(status);
  return new Refusal("upstream", 502, `No session could be opened at the server. ${message}`, {
    because: message,
    outcome: "upstream_gone",
  });
}

/** Why an external server's answer, by its head, may not be passed on. */
export function refusedHead(status: number, headers: IncomingHttpHeaders): Refusal | undefined {
  if (status === 401 || status === 403) return refusedThere(status);
  if ((status >= 300 && status < 400) || status === 407) {
    return new Refusal(
      "upstream",
      502,
      status === 407
        ? "The server, which runs elsewhere, stands behind a proxy that wants credentials."
        : "The server, which runs elsewhere, answered with a redirect, and none is followed. An admin of it can register the address that it names.",
      { because: `upstream answered ${status}` },
    );
  }
  const encoding = headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") return;
  return new Refusal(
    "upstream",
    502,
    `The server, which runs elsewhere, compressed its answer (${String(encoding).slice(0, 40)}), which nobody asked for.`,
    { because: "upstream answered compressed" },
  );
}

/** An external server that lets its callers in by credentials, of which none are presented. */
export function refusedThere(status: number): Refusal {
  return new Refusal(
    "upstream",
    502,
    `The server, which runs elsewhere, answered with HTTP ${status}: it wants credentials, and it is registered with none. Ask its owner for an address that needs none.`,
    { because: `upstream answered ${status}` },
  );
}

/**
 * Whether a request may be sent a second time when nobody knows what became of
 * the first: everything but a call of a tool whose definition does not say
 * that it only reads, or that a repetition changes nothing more. Over HTTP+SSE it
 * is known that the first was not sent: who says that the session is lost is the gateway.
 */
export function isRepeatable(
  upstream: Upstream,
  method: string,
  capability: Capability | undefined,
): boolean {
  if (method !== "tools/call") return true;
  if (upstream.kind === "external" && upstream.transport === "sse") return true;
  const hints = capability?.definition["annotations"];
  if (typeof hints !== "object" || hints === null) return false;
  const { readOnlyHint, idempotentHint } = hints as Record<string, unknown>;
  return readOnlyHint === true || idempotentHint === true;
}

/** For what may not be repeated, once the session is there again. */
export function sessionLost(): Refusal {
  return new Refusal(
    "upstream",
    502,
    "The server had lost its session, so this call was not answered. It is connected again and the next call works; send this one again if it may run twice.",
    { because: "upstream lost its session", outcome: "upstream_gone" },
  );
}

/** It says that it has lost the session, and goes on saying so. */
export function endless(): Refusal {
  return new Refusal("upstream", 502, "The server has lost the session and does not end saying so.", {
    outcome: "upstream_gone",
  });
}

/** An external server that could not be reached, or broke off. */
export function brokenThere(unsent: boolean, error: Error): Refusal {
  return new Refusal(
    "upstream",
    502,
    unsent
      ? "The server, which runs elsewhere, cannot be reached. Try again; `offing servers` shows whether it answers."
      : "The server, which runs elsewhere, broke off its answer; the request may have taken effect.",
    { because: error.message, outcome: "upstream_gone" },
  );
}
