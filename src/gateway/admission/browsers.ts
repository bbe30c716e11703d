import type { Incoming, Outgoing } from "../http.ts";
import { Refusal } from "../refusal.ts";

export interface BrowserOptions {
  /** Where clients reach us, such as `http://localhost:8080`. */
  readonly publicUrl: string;
  /** Further web origins whose pages may be clients, such as `https://app.example.com`; `*` for any. */
  readonly allowedOrigins: readonly string[];
}

/** What a page may read of an answer beside its body. */
const exposed = "Mcp-Session-Id, WWW-Authenticate, Retry-After, MCP-Protocol-Version";
const methods = "POST, GET, DELETE, OPTIONS";
/** What a page may send: all that a client of any revision needs (2026-07-28, basic/transports/streamable-http). */
const sendable = new Set([
  "accept",
  "authorization",
  "baggage",
  "content-type",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "traceparent",
  "tracestate",
]);
/** One per argument that a server wants mirrored, under names of its own choice. */
const parameter = /^mcp-param-[!#$%&'*+.^_`|~0-9a-z-]{1,100}$/;
/** Of a preflight's list, so that an answer stays small. */
const HEADERS_MOST = 64;
/** Browsers keep a preflight's answer no longer than two hours. */
const MAX_AGE_SECONDS = 7200;

/**
 * Tells which pages may be clients. Refuses what a browser was led to send by
 * another site: a foreign `Origin` always (2025-11-25, basic/transports), a
 * foreign `Host` where we are bound to loopback, which is how DNS rebinding
 * reaches local programs. To a page that may, each answer says so,
 * refusals too; never with credentials, so that no cookie is ever one.
 */
export class Browsers {
  readonly #ours: string;
  readonly #local: boolean;
  readonly #allowed: ReadonlySet<string>;
  #lastHost: string | undefined;

  constructor({ publicUrl, allowedOrigins }: BrowserOptions) {
    this.#ours = new URL(publicUrl).hostname;
    this.#local = isLoopback(this.#ours);
    this.#allowed = new Set(allowedOrigins);
  }

  /** Throws the 403. Without an Origin, as programs send, nothing is set. */
  admit(req: Incoming, res: Outgoing): void {
    const { origin, host } = req.headers;
    if (origin !== undefined) {
      if (!this.#accepts(origin)) {
        throw new Refusal(
          "protocol",
          403,
          "Requests from this web origin are not accepted. Whoever runs Offing can let it in with `offing up --allow-origin`.",
          { because: "foreign origin" },
        );
      }
      res.setHeader("access-control-allow-origin", origin);
      res.setHeader("access-control-expose-headers", exposed);
      res.setHeader("vary", "Origin");
    }
    if (!this.#local || host === this.#lastHost) return;
    const address = `http://${host ?? ""}`;
    if (!URL.canParse(address) || !this.#own(new URL(address).hostname)) {
      throw new Refusal("protocol", 403, "This host name does not belong to this address.", {
        because: "foreign host",
      });
    }
    this.#lastHost = host;
  }

  #accepts(origin: string): boolean {
    if (this.#allowed.has("*") || this.#allowed.has(origin)) return true;
    return URL.canParse(origin) && this.#own(new URL(origin).hostname);
  }

  #own(hostname: string): boolean {
    return hostname === this.#ours || (this.#local && isLoopback(hostname));
  }
}

/**
 * The headers of the answer to a preflight, which asks for a page what it may
 * send (Fetch, 4.8). It needs no key, since browsers send none with it, and
 * is the same for every path.
 */
export function preflightHeaders(req: Incoming): Record<string, string> {
  const headers: Record<string, string> = { allow: methods };
  if (req.headers.origin === undefined) return headers;
  headers["access-control-allow-methods"] = methods;
  headers["access-control-max-age"] = String(MAX_AGE_SECONDS);
  headers["vary"] = "Origin, Access-Control-Request-Headers";
  const asked = req.headers["access-control-request-headers"];
  if (asked === undefined) return headers;
  const allowed = asked
    .split(",", HEADERS_MOST)
    .map((name) => name.trim().toLowerCase())
    .filter((name) => sendable.has(name) || parameter.test(name));
  if (allowed.length > 0) headers["access-control-allow-headers"] = allowed.join(", ");
  return headers;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
