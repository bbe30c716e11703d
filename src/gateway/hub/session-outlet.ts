import type { Exchange } from "../exchange/exchange.ts";
import type { OpenSession } from "../sessions/session.ts";
import { EventStream } from "../streams/event-stream.ts";
import type { Stream } from "../streams/stream.ts";
import { primed } from "../streams/reply.ts";
import type { Streams } from "../streams/streams.ts";
import type { Outlet } from "./listener.ts";

/** The standing stream of a session over HTTP: its client may lose the connection and come back. */
export class SessionOutlet implements Outlet {
  readonly stream: Stream;
  readonly #streams: Streams;
  #awaySince = Infinity;

  constructor(x: Exchange, session: OpenSession, streams: Streams) {
    this.#streams = streams;
    this.stream = streams.stand(session);
    const out = new EventStream(x, streams, this.stream);
    this.stream.begin(out, primed(session));
    // Its client may have left before, and is not told of again.
    if (!out.isOpen) this.stream.closed(out);
  }

  /** Whether its client did not come back; looked at now and then. */
  get deserted(): boolean {
    if (this.stream.connected) this.#awaySince = Infinity;
    else if (this.#awaySince === Infinity) this.#awaySince = this.#streams.now();
    return this.#streams.now() - this.#awaySince > this.#streams.limits.replayMs;
  }

  send(json: string, matters: boolean): boolean {
    return this.stream.send(json, matters);
  }

  end(): void {
    this.stream.end();
    // Who comes back to a stream that nobody was at gets a new one, and not its end.
    if (!this.stream.connected) this.#streams.forget(this.stream);
  }
}
