import { codes } from "../../mcp/errors.ts";
import type { Asked } from "../envelope.ts";
import { Refusal } from "../refusal.ts";
import type { Services } from "../services.ts";
import type { OpenSession } from "../session.ts";
import type { Turn } from "../turn.ts";

/** A handshake client on an upstream that speaks the stateless era: the gateway holds the session. */
export class HandshakeOnStatelessCell {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** Answers `initialize` from what the upstream said of itself. */
  initialize(_turn: Turn, _request: Asked): void {
    throw this.#refusal();
  }

  request(_turn: Turn, _session: OpenSession, _request: Asked): void {
    throw this.#refusal();
  }

  #refusal(): Refusal {
    void this.#services;
    return new Refusal(
      "protocol",
      400,
      "This server speaks only the stateless revision 2026-07-28; use a client that does too.",
      { code: codes.unsupportedVersion, data: { supported: ["2026-07-28"] } },
    );
  }
}
