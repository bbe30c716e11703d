import { isObject, type JsonObject, meta, metaOf } from "../../mcp/envelope.ts";
import { privately } from "../../mcp/caching.ts";
import { statelessRevisions } from "../../mcp/eras.ts";
import { announceReachable } from "../../mcp/translate.ts";
import { upstreamHeaders } from "../exchange/credential.ts";
import type { Asked, Envelope } from "../admission/envelope.ts";
import { Forward, type Sink } from "../exchange/forward.ts";
import { Relay } from "../exchange/relay.ts";
import { sealState } from "../request-state.ts";
import { Rewriter } from "../exchange/rewrite.ts";
import type { Services } from "../services.ts";
import type { Turn } from "../turn.ts";
import { LOOKED_INTO_BYTES, StatelessRelay } from "./stateless-relay.ts";

/** A stateless client on an upstream of the stateless era. */
export class StatelessCell {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** `state`: the upstream's own `requestState`, of a request that is retried. */
  request(
    turn: Turn,
    { request, envelope }: Envelope & { kind: "stateless" },
    state: string | undefined,
  ): void {
    const { x, endpoint, principal } = turn;
    const { upstream, requestWindowMs: windowMs } = endpoint;
    // Of its own for every request: two stateless requests share nothing.
    const spoken = { revision: envelope.revision, session: x.record.id, stateless: true };
    const headers = upstreamHeaders(x, endpoint, principal, this.#services.credentials, spoken);
    const body = state === undefined ? x.body : withState(x.body, request, state);
    void new Forward(
      turn,
      this.#services,
      { upstream, headers, body, windowMs, cancelOnLeave: true },
      this.#sink(turn, request),
    );
  }

  /** What passes as it is, save what means something here only, and what the gateway's own limits are. */
  #sink(turn: Turn, request: Asked): Sink {
    const { x } = turn;
    if (request.known.names !== null) {
      const { tasks } = this.#services;
      const { messageBytes } = this.#services.limits;
      // A question may be as large as a message; who can be asked none is asked none.
      const mostBytes = canBeAsked(request) ? messageBytes : LOOKED_INTO_BYTES;
      const change = (response: JsonObject) =>
        tasks.result(turn, request, this.#sealed(turn, request, response));
      return new StatelessRelay(x, mostBytes, change, request.known.cacheable);
    }
    if (!request.known.cacheable) return new Relay(x);
    const announced = request.method === "server/discover" ? announcedHere : (message: JsonObject) => message;
    return new Rewriter(x, {
      rewrite: (message) => ({ kind: "pass", message: privately(announced(message)) }),
      messageBytes: this.#services.limits.messageBytes,
      stateless: true,
    });
  }

  #sealed(turn: Turn, request: Asked, response: JsonObject): JsonObject {
    const { result } = response;
    if (!isObject(result) || typeof result["requestState"] !== "string") return response;
    const state = { kind: "upstream", state: result["requestState"] } as const;
    return {
      ...response,
      result: { ...result, requestState: sealState(this.#services, turn, request, state) },
    };
  }
}

function canBeAsked({ params }: Asked): boolean {
  const declared = metaOf(params)?.[meta.clientCapabilities];
  if (!isObject(declared)) return false;
  return (
    declared["elicitation"] !== undefined ||
    declared["sampling"] !== undefined ||
    declared["roots"] !== undefined
  );
}

/** What the upstream says of itself, as far as it holds through this gateway. */
function announcedHere(message: JsonObject): JsonObject {
  const made = announceReachable(message, "stateless");
  const { result } = made;
  if (!isObject(result)) return made;
  return { ...made, result: { ...result, supportedVersions: [...statelessRevisions] } };
}

/** The same body with the upstream's own state; nothing else in it is written anew where that can be helped. */
function withState(body: Buffer, request: Asked, own: string): Buffer | string {
  const given = `"${String(request.params["requestState"])}"`;
  const at = body.indexOf(given);
  if (at >= 0 && body.indexOf(given, at + 1) < 0) {
    return Buffer.concat([
      body.subarray(0, at),
      Buffer.from(JSON.stringify(own)),
      body.subarray(at + given.length),
    ]);
  }
  return JSON.stringify({ ...request.body, params: { ...request.params, requestState: own } });
}
