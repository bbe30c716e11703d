import { askable } from "../../mcp/client-requests.ts";
import {
  isObject,
  type JsonObject,
  meta,
  metaOf,
  toHandshake,
  translatedRevision,
} from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import { isLogLevel, toStateless } from "../../mcp/translate.ts";
import type { Bridge } from "../bridge/bridge.ts";
import { BridgedCall } from "../bridge/bridged-call.ts";
import { exactParams } from "../bridge/exact.ts";
import { ownSession, sharedSession, type Speaking, withLevel } from "../bridge/speaking.ts";
import { upstreamHeaders } from "../exchange/credential.ts";
import type { Envelope } from "../admission/envelope.ts";
import { Forward } from "../exchange/forward.ts";
import { handOver } from "../hand-over.ts";
import { Refusal } from "../refusal.ts";
import type { RequestState } from "../request-state.ts";
import { Rewriter } from "../exchange/rewrite.ts";
import { traced } from "../exchange/trace.ts";
import type { Turn } from "../turn.ts";

type Stateless = Envelope & { kind: "stateless" };

/** A stateless client on an upstream of the handshake era. */
export class StatelessOnHandshakeCell {
  readonly #bridge: Bridge;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  /** `state`: of a request that is retried. Throws refusals. */
  request(turn: Turn, envelope: Stateless, state: RequestState | undefined): void {
    if (state !== undefined) return this.#retry(turn, envelope, state);
    const { params } = envelope.request;
    const given = metaOf(params)?.[meta.clientCapabilities];
    const capabilities =
      envelope.request.known.names === null || !isObject(given) ? {} : (askable(given) ?? {});
    const level = this.#levelFor(turn, envelope);
    // What nobody can be asked for needs no session at an instance.
    const alone = Object.keys(capabilities).length === 0 && level === undefined;
    if (alone && turn.endpoint.upstream.kind === "hosted") return this.#once(turn, envelope);
    const bridged = { method: envelope.request.method, params: bare(turn, params), capabilities };
    new BridgedCall(this.#bridge, turn, bridged).start(
      envelope,
      this.#speaking(turn, envelope, capabilities, level),
    );
  }

  /** The session in which it is made, where the server knows which log messages it wants. */
  #speaking(
    turn: Turn,
    { envelope }: Stateless,
    capabilities: JsonObject,
    level: string | undefined,
  ): Speaking | Promise<Speaking> {
    if (turn.endpoint.upstream.kind === "external") {
      return sharedSession(this.#bridge, turn, { capabilities, level });
    }
    const { services } = this.#bridge;
    const own = ownSession(turn, services, envelope, capabilities);
    return level === undefined ? own : withLevel(own, turn, services, level);
  }

  /** A call that was asked something goes on where it waits, in whatever process that is. */
  #retry(turn: Turn, envelope: Stateless, state: RequestState): void {
    if (state.kind !== "parked") throw over("the server speaks another era now");
    const { services, parked } = this.#bridge;
    if (state.holder !== services.peers.self) {
      if (!handOver(turn, services, state.holder, () => over("the holder is gone"))) {
        throw over("the holder is gone");
      }
      return;
    }
    const [id = "", round] = state.call.split(".");
    const call = parked.find(id);
    if (!(call instanceof BridgedCall)) throw over("no such call");
    const given = exactParams(turn.x, envelope.request.params)["inputResponses"];
    call.retry(turn, envelope, Number(round), given);
  }

  /** The log level that the upstream must be told for this request. */
  #levelFor({ endpoint }: Turn, { request, envelope }: Stateless): string | undefined {
    const { logLevel } = envelope;
    const logs = endpoint.manifest.capabilities["logging"] !== undefined;
    return logs && request.known.names !== null && isLogLevel(logLevel) ? logLevel : undefined;
  }

  /** A request that stands alone, since its client can be asked nothing. */
  #once(turn: Turn, { request, envelope }: Stateless): void {
    const { x, endpoint, principal } = turn;
    const { services } = this.#bridge;
    const { upstream, requestWindowMs: windowMs } = endpoint;
    const sink = new Rewriter(x, {
      rewrite: toStateless({
        id: request.id,
        method: request.method,
        params: request.params,
        logLevel: envelope.logLevel,
        serverInfo: endpoint.manifest.serverInfo,
      }),
      messageBytes: services.limits.messageBytes,
      stateless: true,
    });
    // Of its own for every request: two stateless requests share nothing.
    const spoken = { revision: translatedRevision, session: x.record.id, stateless: false };
    const headers = upstreamHeaders(x, endpoint, principal, services.credentials, spoken);
    const { inputResponses: _, requestState: __, ...params } = exactParams(turn.x, request.params);
    const body = toHandshake({ params: traced(turn.x, params), body: request.body });
    void new Forward(turn, services, { upstream, headers, body, windowMs, cancelOnLeave: true }, sink);
  }
}

/** The parameters without what is the stateless protocol's own. */
function bare(turn: Turn, params: JsonObject): JsonObject {
  const { _meta, inputResponses: _, requestState: __, task: ___, ...kept } = exactParams(turn.x, params);
  const foreign = isObject(_meta)
    ? Object.entries(_meta).filter(([key]) => !key.startsWith("io.modelcontextprotocol/"))
    : [];
  return { ...kept, _meta: Object.fromEntries(foreign) };
}

function over(because: string): Refusal {
  return new Refusal(
    "session",
    200,
    "The call that waited for these answers is over: it has ended, waited too long, or the process that held it is gone. Send the request anew, without requestState; the first one may have taken effect.",
    { code: codes.invalidParams, because },
  );
}
