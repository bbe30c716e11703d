import { decide } from "../policy/decide.ts";
import type { Permission } from "../policy/permissions.ts";
import { addressOf } from "../snapshot/snapshot.ts";
import { invalidToken, type Proof, proofOf } from "./admission/authenticate.ts";
import type { Ground } from "./ground.ts";
import { notFound, Refusal } from "./refusal.ts";
import type { Turn } from "./turn.ts";

/** How soon something ends whose key, grant or membership has ended. */
export const CHECK_MS = 1_000;

/** Whether what a request began may still go on: asked anew for as long as it does. */
export class Access {
  readonly #ground: Pick<Ground, "snapshot" | "tokens">;
  readonly #place: Pick<Turn, "endpoint" | "principal">;
  readonly #proof: Proof | undefined;
  readonly #needs: Permission;
  #checkedAt: number;

  /** `needs`: what the request needs on its server. May be made late: its first look is a second after the request came. */
  constructor(ground: Pick<Ground, "snapshot" | "tokens">, turn: Turn, needs: Permission) {
    const { x, endpoint, principal } = turn;
    this.#ground = ground;
    this.#place = { endpoint, principal };
    this.#proof = proofOf(x);
    this.#needs = needs;
    this.#checkedAt = x.started;
  }

  /** Why it may not go on. Looks once a second at most. `now`: monotonic milliseconds. */
  lost(now: number): Refusal | undefined {
    if (now - this.#checkedAt < CHECK_MS) return;
    this.#checkedAt = now;
    const { snapshot, tokens } = this.#ground;
    const { organization, server, deployment, id } = this.#place.endpoint;
    const proof = this.#proof;
    const principal =
      proof === undefined ? this.#place.principal : tokens.verify(proof.token, proof.hash)?.principal;
    if (principal === undefined) {
      return new Refusal(
        "authentication",
        401,
        "The key of this call was revoked, and the call has ended. It may have taken effect. `offing keys create` makes a new key.",
        { headers: { "www-authenticate": invalidToken } },
      );
    }
    if (snapshot.endpoint(addressOf(organization.slug, server.slug, deployment))?.id !== id) {
      return notFound("the endpoint has ended");
    }
    const resource = { organization: organization.id, server: server.id };
    const decision = decide(principal, resource, this.#needs);
    if (decision.effect === "allow") return;
    if (!decision.discoverable) return notFound(decision.because);
    return new Refusal(
      "authorization",
      403,
      `You may no longer call this server: that needs ${decision.needed}. The call has ended, and may have taken effect. Ask an admin of "${organization.slug}" for it.`,
      { needed: decision.needed, because: decision.because },
    );
  }
}
