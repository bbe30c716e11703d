import { canonicalHash } from "../lib/canonical.ts";
import { isObject, type JsonObject } from "../mcp/envelope.ts";
import { codes } from "../mcp/errors.ts";
import type { Asked } from "./admission/envelope.ts";
import { Refusal } from "./refusal.ts";
import type { Ground } from "./ground.ts";
import { principalId } from "./sessions/session.ts";
import type { Turn } from "./turn.ts";

/** What a stateless client is handed with `input_required`, and comes back with. */
export type RequestState =
  /** The upstream's own `requestState`. */
  | { readonly kind: "upstream"; readonly state: string }
  /** A call that waits in one gateway process. */
  | { readonly kind: "parked"; readonly holder: string; readonly call: string };

const LIFE_MS = 60 * 60 * 1000;

/**
 * Seals a state for this principal, this endpoint and this very request
 * (2026-07-28, basic/patterns/mrtr: principal, expiry and the originating
 * request are part of what is protected). Valid for an hour.
 */
export function sealState(services: Ground, turn: Turn, request: Asked, state: RequestState): string {
  return services.sessions.seal({
    use: "request-state",
    ...state,
    ...boundTo(turn, request),
    expires: services.clock.now() + LIFE_MS,
  });
}

/** The state of a retried request; undefined where it has none. Throws a refusal for any that was not sealed for it. */
export function openState(services: Ground, turn: Turn, request: Asked): RequestState | undefined {
  const token = request.params["requestState"];
  if (token === undefined) return;
  const claims =
    typeof token === "string" && token.length <= services.limits.bodyBytes
      ? services.sessions.open(token)
      : undefined;
  if (!isObject(claims) || claims["use"] !== "request-state") throw refused("not sealed here");
  const bound = boundTo(turn, request);
  for (const [name, value] of Object.entries(bound)) {
    if (claims[name] !== value) throw refused(`sealed for another ${name}`);
  }
  if (typeof claims["expires"] !== "number" || claims["expires"] <= services.clock.now())
    throw refused("expired");
  return claims as unknown as RequestState;
}

function boundTo({ endpoint, principal }: Turn, request: Asked): Record<string, string> {
  return { endpoint: endpoint.id, principal: principalId(principal), request: digestOf(request) };
}

/** The request without what differs between it and its retry. */
function digestOf({ method, params }: Asked): string {
  const { _meta, inputResponses: _, requestState: __, ...asked }: JsonObject = params;
  return canonicalHash({ method, ...asked });
}

function refused(because: string): Refusal {
  return new Refusal(
    "protocol",
    200,
    "params.requestState is not one that this endpoint gave you for this request, or it has expired. Send the request anew, without it.",
    { code: codes.invalidParams, because: `request state ${because}` },
  );
}
