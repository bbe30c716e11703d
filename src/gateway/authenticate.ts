import type { Principal } from "../policy/decide.ts";
import type { Exchange } from "./exchange.ts";
import type { Tokens } from "./ports.ts";
import { Refusal } from "./refusal.ts";

const realm = 'Bearer realm="Offing"';

/**
 * Who sent the request, by `Authorization: Bearer` alone (RFC 6750). Without a
 * key that is ours, the answer is 401 for every path, whether something
 * stands there or not.
 */
export function authenticate(tokens: Tokens, x: Exchange): Principal {
  const before = x.elapsed();
  const header = x.req.headers.authorization;
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
  const proof = tokens.verify(token);
  if (proof === undefined) {
    throw unauthenticated(
      "The key is unknown or has been revoked. `offing keys list` shows your keys, `offing keys create` makes a new one.",
      `${realm}, error="invalid_token", error_description="The key is unknown or revoked"`,
    );
  }
  const { record } = x;
  const { principal } = proof;
  record.auth_kind = proof.kind;
  record.key = proof.token;
  record.principal_kind = principal.kind;
  record.principal = principal.kind === "anonymous" ? null : principal.id;
  record.t_auth = x.elapsed() - before;
  return principal;
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
