import { hash } from "node:crypto";
import { Lru } from "../../lib/lru.ts";
import type { Principal } from "../../policy/decide.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { Tokens } from "../ports.ts";
import { Refusal } from "../refusal.ts";

const realm = 'Bearer realm="Offing"';

/** What a 401 for a key that is not good says to clients (RFC 6750, 3.1). */
export const invalidToken = `${realm}, error="invalid_token", error_description="The key is unknown or revoked"`;

/** A token as it came, and its hash: a pure function of the header, and so never out of date. */
interface Presented {
  readonly token: string;
  readonly hash: string;
}

/** What a request came with; what it proves is asked anew for as long as its stream stands. */
export type Proof = Presented;

/** Of an authenticated request; undefined where it came with nothing. */
export function proofOf(x: Exchange): Proof | undefined {
  const { authorization } = x.req.headers;
  return authorization === undefined ? undefined : present(authorization);
}

/**
 * Who sent a request, by `Authorization: Bearer` alone (RFC 6750). Without a
 * key that is ours, the answer is 401 for every path, whether something
 * stands there or not. Every request is verified anew; only the hash of a
 * token that was good once is remembered.
 */
export function createAuthenticator(tokens: Tokens): (x: Exchange) => Principal {
  const seen = new Lru<string, Presented>(4096);
  return (x) => {
    const header = x.req.headers.authorization;
    const known = header === undefined ? undefined : seen.get(header);
    const presented = known ?? present(header);
    const proof = tokens.verify(presented.token, presented.hash);
    if (proof === undefined) {
      throw unauthenticated(
        "The key is unknown or has been revoked. `offing keys list` shows your keys, `offing keys create` makes a new one.",
        invalidToken,
      );
    }
    if (known === undefined) seen.set(header!, presented);
    const { record } = x;
    const { principal } = proof;
    record.auth_kind = proof.kind;
    record.key = proof.token;
    record.principal_kind = principal.kind;
    record.principal = principal.kind === "anonymous" ? null : principal.id;
    record.t_auth = x.lap();
    return principal;
  };
}

function present(header: string | undefined): Presented {
  if (header === undefined) {
    throw unauthenticated(
      "This endpoint needs a key. Send it as `Authorization: Bearer <key>`; `offing keys create` makes one.",
      realm,
    );
  }
  const token = bearer(header);
  if (token === undefined) {
    throw unauthenticated(
      "The Authorization header is not `Bearer <key>`. Send the key in exactly that form.",
      `${realm}, error="invalid_request", error_description="Expected: Bearer <key>"`,
    );
  }
  return { token, hash: hash("sha256", token) };
}

function bearer(header: string): string | undefined {
  if (header.length < 8 || header.length > 4096) return;
  if (header.slice(0, 7).toLowerCase() !== "bearer ") return;
  const token = header.slice(7).trim();
  return token === "" || token.includes(" ") ? undefined : token;
}

function unauthenticated(message: string, challenge: string): Refusal {
  return new Refusal("authentication", 401, message, { headers: { "www-authenticate": challenge } });
}
