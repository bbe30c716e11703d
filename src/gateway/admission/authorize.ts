import type { Method } from "../../mcp/methods.ts";
import { decide, type Principal } from "../../policy/decide.ts";
import type { Endpoint } from "../../snapshot/snapshot.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { notFound, Refusal } from "../refusal.ts";

/**
 * The endpoint, if the principal may know of it. Everything else, an absent
 * endpoint included, is one and the same 404.
 */
export function admit(x: Exchange, endpoint: Endpoint | undefined, principal: Principal): Endpoint {
  if (endpoint === undefined) throw notFound("no such endpoint");
  const { record } = x;
  record.organization = endpoint.organization.id;
  record.server = endpoint.server.id;
  record.deployment = endpoint.deployment;
  if (endpoint.upstream.kind === "hosted") {
    record.artifact = endpoint.upstream.target.artifact;
    record.scope = endpoint.upstream.target.scope;
  }
  const decision = decide(principal, resourceOf(endpoint), "discover");
  record.t_policy = x.lap();
  if (decision.effect === "allow") return endpoint;
  record.decision = "deny";
  if (principal.kind !== "anonymous" && principal.organization !== endpoint.organization.id) {
    // A record belongs to the endpoint's organization, which must not learn who else exists.
    record.principal = null;
    record.key = null;
    throw notFound("a key of another organization");
  }
  throw notFound(decision.because);
}

/** Refuses a message that the principal may not send; needs `admit` before. */
export function authorize(
  x: Exchange,
  endpoint: Endpoint,
  principal: Principal,
  needs: Method["needs"],
): void {
  x.lap();
  const decision = decide(principal, resourceOf(endpoint), needs);
  const { record } = x;
  record.t_policy += x.lap();
  record.decision = decision.effect;
  record.because = decision.because;
  if (decision.effect === "allow") return;
  if (!decision.discoverable) throw notFound(decision.because);
  throw new Refusal(
    "authorization",
    403,
    `You may see this server but not call it: that needs ${decision.needed}. Ask an admin of "${endpoint.organization.slug}" for it.`,
    { needed: decision.needed, because: decision.because },
  );
}

function resourceOf(endpoint: Endpoint): { organization: string; server: string } {
  return { organization: endpoint.organization.id, server: endpoint.server.id };
}
