import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { SseReader } from "../../lib/sse.ts";

/** What a stream tells; `over` is told once, and nothing after it. */
export interface StreamEnd {
  /** Where messages are posted. */
  opened(path: string): void;
  /** The text of a message. */
  message(text: string): void;
  over(error: Error): void;
}

/** An address at which a GET opens no stream of HTTP+SSE. */
export class NotServed extends Error {
  override readonly name = "NotServed";
  /** The HTTP status that says why; undefined: it is a server of another kind. */
  readonly status: number | undefined;

  constructor(status: number | undefined) {
    super("The server opens no event stream that begins with an `endpoint` event.");
    this.status = status;
  }
}

/** Milliseconds until the server has said where messages are posted. */
const OPEN_MS = 15_000;
/** Bytes of one message; what the gateway takes from any server by default. */
const MESSAGE_BYTES = 16 * 1024 * 1024;
/** Characters of the address at which messages are posted. */
const ADDRESS_LENGTH = 4096;

/** The one stream on which a server of HTTP+SSE says everything (2024-11-05, basic/transports). */
export class Stream implements Dispatcher.DispatchHandler {
  readonly #origin: string;
  readonly #path: string;
  readonly #end: StreamEnd;
  readonly #events: SseReader;
  readonly #late: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #opened = false;
  #over = false;

  constructor(
    dispatcher: Dispatcher,
    { origin, path }: { readonly origin: string; readonly path: string },
    headers: string[],
    end: StreamEnd,
  ) {
    this.#origin = origin;
    this.#path = path;
    this.#end = end;
    this.#events = new SseReader(MESSAGE_BYTES, ({ event, data }) => this.#event(event ?? "message", data));
    this.#late = setTimeout(() => {
      this.close(new Error(`The server sent no \`endpoint\` event within ${OPEN_MS / 1000} seconds.`));
    }, OPEN_MS);
    this.#late.unref();
    dispatcher.dispatch(
      { origin, path, method: "GET", headers, headersTimeout: OPEN_MS, bodyTimeout: 0 },
      this,
    );
  }

  close(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#late);
    this.#controller?.abort(error);
    this.#end.over(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error("Nobody waits for it any more."));
  }

  onResponseStart(_: unknown, status: number, headers: IncomingHttpHeaders): void {
    if (this.#over || status < 200) return;
    if (status >= 300) return this.close(new NotServed(isEvidence(status) ? undefined : status));
    if (!String(headers["content-type"]).startsWith("text/event-stream")) {
      return this.close(new NotServed(undefined));
    }
    const encoding = headers["content-encoding"] ?? "identity";
    if (encoding === "identity") return;
    this.close(new Error("The server compressed its stream, which nobody asked for."));
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    if (this.#over) return;
    try {
      this.#events.push(chunk);
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(String(error)));
    }
  }

  onResponseEnd(): void {
    this.close(
      this.#opened ? new Error("The server ended the stream on which it answers.") : new NotServed(undefined),
    );
  }

  onResponseError(_: unknown, error: Error): void {
    this.close(error);
  }

  #event(event: string, data: string): void {
    if (this.#over) return;
    if (this.#opened) {
      if (event === "message") this.#end.message(data);
    } else if (event === "endpoint") this.#open(data);
    else this.close(new NotServed(undefined));
  }

  #open(address: string): void {
    const base = this.#origin + this.#path;
    const url =
      address.length <= ADDRESS_LENGTH && URL.canParse(address, base) ? new URL(address, base) : undefined;
    if (url === undefined) {
      return this.close(
        new Error("The server's `endpoint` event is not the address of a place for messages."),
      );
    }
    if (url.origin !== this.#origin) {
      return this.close(
        new Error(
          `The server's \`endpoint\` event sends messages to another origin (${url.origin}) than its stream's (${this.#origin}), and they are posted to that one only.`,
        ),
      );
    }
    this.#opened = true;
    clearTimeout(this.#late);
    this.#end.opened(url.pathname + url.search);
  }
}

/** Whether a status says that there is no such stream; the others say nothing of it. */
function isEvidence(status: number): boolean {
  return status === 400 || status === 404 || status === 405 || status === 406 || status === 410;
}
