import { toHandshake, translatedRevision } from "../../mcp/envelope.ts";
import { toStateless } from "../../mcp/translate.ts";
import { upstreamHeaders } from "../credential.ts";
import type { Envelope } from "../envelope.ts";
import { Forward } from "../forward.ts";
import { Rewriter } from "../rewrite.ts";
import type { Services } from "../services.ts";
import type { Turn } from "../turn.ts";

/** A stateless client on an upstream of the handshake era. */
export class StatelessOnHandshakeCell {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  request(turn: Turn, { request, envelope }: Envelope & { kind: "stateless" }): void {
    const { x, endpoint, principal } = turn;
    const { upstream, requestWindowMs: windowMs } = endpoint;
    const sink = new Rewriter(x, {
      rewrite: toStateless({
        id: request.id,
        method: request.method,
        params: request.params,
        logLevel: envelope.logLevel,
        serverInfo: endpoint.manifest.serverInfo,
      }),
      messageBytes: this.#services.limits.messageBytes,
      stateless: true,
    });
    // Of its own for every request: two stateless requests share nothing.
    const spoken = { revision: translatedRevision, session: x.record.id, stateless: false };
    const headers = upstreamHeaders(x, endpoint, principal, this.#services.credentials, spoken);
    void new Forward(
      x,
      this.#services.leases,
      { upstream, headers, body: toHandshake(request), windowMs, cancelOnLeave: true },
      sink,
    );
  }
}
