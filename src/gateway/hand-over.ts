import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import type { Endpoint } from "../snapshot/snapshot.ts";
import type { Exchange, Flow } from "./exchange/exchange.ts";
import { Refusal } from "./refusal.ts";
import { failAnswer } from "./exchange/relay.ts";
import type { Ground } from "./ground.ts";

/** The client's address, as one gateway process tells it to another. Only `Gateway.take` believes it. */
export const clientHeader = "offing-client";

/** What holds for one connection only (RFC 9110, 7.6.1), and what is said anew for the next. */
export const ofOneConnection = new Set([
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Milliseconds within which a living holder has taken a connection. */
const TAKE_MS = 10_000;

/** The one answer for what was held by a process that is gone. */
export function holderGone(): Refusal {
  return new Refusal(
    "session",
    410,
    "The process that held this has ended, and what it held is lost: a call that waits for an answer, or a stream to be resumed. Begin the call anew; the session itself goes on. The lost call may have taken effect.",
    { because: "the holder is gone", outcome: "upstream_gone" },
  );
}

/** The answer for a holder that took a request and does not answer it. */
function holderHangs(): Refusal {
  return new Refusal(
    "runtime",
    504,
    "The process that holds this did not answer in the time that a request may take. Begin the call anew; this one may have taken effect.",
    { because: "the holder hangs", outcome: "timeout" },
  );
}

/**
 * Sends the whole request (head and `x.body`) to the gateway process `holder`
 * and passes its answer on. The holder authenticates and judges it anew and
 * writes the record. False when the holder is gone, or when the request was
 * handed over to this process: then nothing has happened, and the caller
 * answers that itself. `gone` is asked when a holder turns out to be gone
 * later on: what to tell the client, undefined where it has told it by itself.
 */
export function handOver(
  { x, endpoint }: { readonly x: Exchange; readonly endpoint: Pick<Endpoint, "requestWindowMs"> },
  services: Pick<Ground, "peers" | "pools" | "limits">,
  holder: string,
  gone: () => Refusal | undefined = holderGone,
): boolean {
  const address = x.handedOver ? undefined : services.peers.address(holder);
  if (address === undefined) return false;
  const { dispatcher, origin } = services.pools.at(address);
  // A GET may be a stream that stands; all else has its window, and the time that a person may take.
  const limitMs = x.req.method === "GET" ? Infinity : endpoint.requestWindowMs + services.limits.personMs;
  new HandOver(x, limitMs, gone).send(dispatcher, origin);
  return true;
}

/** One request that another process answers. The client's leaving ends it there too. */
class HandOver implements Dispatcher.DispatchHandler, Flow {
  readonly #x: Exchange;
  readonly #limitMs: number;
  readonly #gone: () => Refusal | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #events = false;
  #over = false;

  constructor(x: Exchange, limitMs: number, gone: () => Refusal | undefined) {
    this.#x = x;
    this.#limitMs = limitMs;
    this.#gone = gone;
  }

  send(dispatcher: Dispatcher, origin: string): void {
    const x = this.#x;
    const { req, body } = x;
    x.begin(this, x.elapsed() + TAKE_MS);
    x.upstreamBegins();
    if (x.clientGone) return this.#finish();
    dispatcher.dispatch(
      {
        origin,
        path: req.url ?? "/",
        method: req.method as Dispatcher.HttpMethod,
        headers: requestHeaders(req.rawHeaders, x.record.ip),
        body: body.length === 0 ? null : body,
      },
      this,
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) return controller.abort(new Error("The request is over."));
    // From here on the holder keeps the time, unless it hangs.
    this.#x.begin(this, this.#x.elapsed() + this.#limitMs);
  }

  onResponseStart(_: unknown, status: number, headers: IncomingHttpHeaders): void {
    if (this.#over || status < 200) return;
    const { res } = this.#x;
    this.#x.discard();
    this.#events = String(headers["content-type"] ?? "").startsWith("text/event-stream");
    res.writeHead(status, responseHeaders(headers));
    if (this.#events) res.flushHeaders();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over || this.#x.res.write(chunk)) return;
    controller.pause();
    this.#x.res.once("drain", () => controller.resume());
  }

  onResponseEnd(): void {
    if (this.#over) return;
    this.#x.res.end();
    this.#finish();
  }

  onResponseError(): void {
    if (!this.#over) this.#fail();
  }

  leave(): void {
    if (this.#over) return;
    // What has left for the holder is in its records.
    if (this.#controller !== undefined) this.#x.discard();
    this.#finish();
    this.#controller?.abort(new Error("The client left."));
  }

  expire(): void {
    if (!this.#over) this.#fail(this.#controller === undefined ? this.#gone : holderHangs);
  }

  #fail(why = this.#gone): void {
    const x = this.#x;
    this.#finish();
    // On a stream that answers no request there is nobody to tell: its client resumes it, and is told then.
    if (x.res.headersSent && x.id === null) x.res.destroy();
    else {
      const refusal = why();
      if (refusal !== undefined) failAnswer(x, refusal, this.#events);
    }
    this.#controller?.abort(new Error("The holder is gone."));
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#x.over();
    this.#x.upstreamDone();
  }
}

/** A request's headers as they came, and the address of who sent it. */
export function requestHeaders(raw: readonly string[], client: string | null): string[] {
  const list: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (name !== clientHeader && !ofOneConnection.has(name)) list.push(raw[i]!, raw[i + 1]!);
  }
  if (client !== null) list.push(clientHeader, client);
  return list;
}

function responseHeaders(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const list: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    const kept = name === "content-length" || !ofOneConnection.has(name);
    if (value !== undefined && kept) list[name] = value;
  }
  return list;
}
