import type { Exchange } from "../exchange.ts";
import type { OpenSession } from "../session.ts";
import { EventStream } from "../streams/event-stream.ts";
import type { Stream } from "../streams/stream.ts";
import { primed } from "../streams/reply.ts";
import type { Streams } from "../streams/streams.ts";
import type { Outlet } from "./listener.ts";

/** How long a client that lost its connection may take to come back. */
const AWAY_MS = 30_000;

/** The standing stream of a session over HTTP: its client may lose the connection and come back. */
export class SessionOutlet implements Outlet {
  readonly #streams: Streams;
  readonly #stream: Stream;
  #awaySince = Infinity;

  constructor(x: Exchange, session: OpenSession, streams: Streams) {
    this.#streams = streams;
    this.#stream = streams.begin(session.claims.sid, null);
    this.#stream.begin(new EventStream(x, streams, this.#stream), primed(session));
  }

  /** Whether its client did not come back; looked at now and then. */
  get deserted(): boolean {
    if (this.#stream.connected) this.#awaySince = Infinity;
    else if (this.#awaySince === Infinity) this.#awaySince = this.#streams.now();
    return this.#streams.now() - this.#awaySince > AWAY_MS;
  }

  send(json: string, matters: boolean): boolean {
    return this.#stream.send(json, matters);
  }

  end(): void {
    this.#stream.end();
  }
}
