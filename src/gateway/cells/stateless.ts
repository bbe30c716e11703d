import { announceReachable } from "../../mcp/translate.ts";
import { upstreamHeaders } from "../credential.ts";
import type { Asked, Envelope } from "../envelope.ts";
import { Forward, type Sink } from "../forward.ts";
import { Relay } from "../relay.ts";
import { Rewriter } from "../rewrite.ts";
import type { Services } from "../services.ts";
import type { Turn } from "../turn.ts";

/** A stateless client on an upstream of the stateless era. */
export class StatelessCell {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  request(turn: Turn, { request, envelope }: Envelope & { kind: "stateless" }): void {
    const { x, endpoint, principal } = turn;
    const { upstream, requestWindowMs: windowMs } = endpoint;
    // Of its own for every request: two stateless requests share nothing.
    const spoken = { revision: envelope.revision, session: x.record.id, stateless: true };
    const headers = upstreamHeaders(x, endpoint, principal, this.#services.credentials, spoken);
    void new Forward(
      x,
      this.#services.leases,
      { upstream, headers, body: x.body, windowMs, cancelOnLeave: true },
      this.#passing(turn, request),
    );
  }

  /** What passes as it is, save that the gateway's own limits are part of what a server announces. */
  #passing({ x }: Turn, request: Asked): Sink {
    if (request.method !== "server/discover") return new Relay(x);
    return new Rewriter(x, {
      rewrite: (message) => ({ kind: "pass", message: announceReachable(message) }),
      messageBytes: this.#services.limits.messageBytes,
      stateless: true,
    });
  }
}
