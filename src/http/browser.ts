import type { IncomingMessage, ServerResponse } from "node:http";
import { OffingError } from "../contract/errors.ts";

/** What a request of a signed-in browser carries, and how its answer changes that. */
export interface Browser {
  /** The secret in the session cookie. */
  readonly session: string | undefined;
  keep(secret: string, expiresAt: Date): void;
  forget(): void;
}

/**
 * The session cookie of a program at `publicUrl` (RFC 6265bis): out of reach of
 * scripts, sent to this site's own requests only. Cookies do not tell ports
 * apart, so the name does. `at` is now, in milliseconds.
 */
export function browserOf(
  request: IncomingMessage,
  response: ServerResponse,
  publicUrl: string,
  at: number,
): Browser {
  const { protocol, port } = new URL(publicUrl);
  const secure = protocol === "https:";
  const name = `${secure ? "__Host-" : ""}offing_session${port === "" ? "" : `_${port}`}`;
  const set = (value: string, seconds: number) =>
    response.appendHeader(
      "set-cookie",
      `${name}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}`,
    );
  return {
    session: readCookie(request.headers.cookie, name),
    keep: (secret, expiresAt) => void set(secret, Math.floor((expiresAt.getTime() - at) / 1000)),
    forget: () => void set("", 0),
  };
}

/**
 * Refuses what a browser was led to send by another site, another port of this
 * host included: a cookie comes with every request, so it proves nothing about
 * who wrote it. `Sec-Fetch-Site` decides where the browser sends it, else
 * `Origin`; what changes something must carry one of them.
 */
export function requireSameOrigin(request: IncomingMessage, publicUrl: string): void {
  const { origin, host } = request.headers;
  const site = request.headers["sec-fetch-site"];
  const reads = request.method === "GET" || request.method === "HEAD";
  const ours =
    origin === undefined ? undefined : origin === new URL(publicUrl).origin || hostOf(origin) === host;
  // Without an origin, an address that was typed in ("none") reads only.
  const sameSite = site === undefined ? undefined : site === "same-origin" || (site === "none" && reads);
  if (ours !== false && sameSite !== false && (reads || ours === true || sameSite === true)) return;
  throw new OffingError("forbidden", "this request did not come from Offing's own pages", {
    hint: "programs send Authorization: Bearer KEY instead of a cookie; behind a proxy, start with --url and the address that browsers use",
  });
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** Undefined also where several differ: a neighbouring host or path may have set one, and nothing tells whose is whose. */
function readCookie(header: string | undefined, name: string): string | undefined {
  const values = new Set<string>();
  for (const pair of header?.split(";") ?? []) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === name) values.add(pair.slice(at + 1).trim());
  }
  const [value] = values;
  return values.size === 1 && value !== "" ? value : undefined;
}
