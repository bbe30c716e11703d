import type { IncomingMessage } from "node:http";
import { OffingError } from "../contract/errors.ts";
import type { Context, Services } from "../domain/context.ts";
import { actorOf } from "../domain/principals/actor.ts";
import { findWebSession } from "../domain/web-sessions/find.ts";
import type { Principal } from "../policy/decide.ts";
import { type Browser, requireSameOrigin } from "./browser.ts";

export interface Proven {
  readonly principal: Principal;
  /** The key's id. */
  readonly key: string;
}

/** Proves who sent a key; undefined: unknown or revoked. */
export type Verify = (token: string) => Proven | undefined;

/** Who sent a request to the control API, by a key or by the cookie of a signed-in browser; throws `unauthenticated`. */
export async function authenticate(
  services: Services,
  verify: Verify,
  request: IncomingMessage,
  browser: Browser,
): Promise<Context> {
  const renew = () => authenticate(services, verify, request, browser);
  const { authorization } = request.headers;
  if (authorization === undefined && browser.session !== undefined) {
    requireSameOrigin(request, services.publicUrl());
    const session = await findWebSession(services, browser.session);
    if (session === undefined) {
      throw new OffingError("unauthenticated", "this browser is signed in no longer", {
        hint: "for a new sign-in link run: ./offing sign-in",
      });
    }
    return { ...services, actor: await actorOf(services, session.principal), proof: session.proof, renew };
  }
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
  const proven = token === undefined ? undefined : verify(token);
  if (proven === undefined || proven.principal.kind === "anonymous") {
    throw new OffingError(
      "unauthenticated",
      token === undefined ? "this API needs a key" : "this key is unknown or was revoked",
      {
        hint: "send Authorization: Bearer KEY; make a key with: ./offing keys create",
      },
    );
  }
  return {
    ...services,
    actor: await actorOf(services, proven.principal),
    proof: { kind: "key", key: proven.key },
    renew,
  };
}
