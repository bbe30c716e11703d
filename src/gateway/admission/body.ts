import type { Exchange, Flow } from "../exchange/exchange.ts";
import { Refusal } from "../refusal.ts";

export interface BodyLimits {
  readonly bodyBytes: number;
  /** Milliseconds until the last byte. */
  readonly bodyTimeoutMs: number;
}

/** What happens with a request whose body is whole, or refused (413, 408, 415, 400). */
export interface BodyTaker {
  whole(): void;
  refused(refusal: Refusal): void;
}

/** Reads the whole body into the exchange, then tells `taker` once. */
export function readBody(x: Exchange, limits: BodyLimits, taker: BodyTaker): void {
  const { headers } = x.req;
  const type = headers["content-type"];
  if (type !== "application/json" && !/^application\/json\s*(;|$)/i.test(type ?? "")) {
    return taker.refused(new Refusal("protocol", 415, "Send JSON, with `Content-Type: application/json`."));
  }
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    return taker.refused(
      new Refusal("protocol", 415, "Send the body as it is, without Content-Encoding.", {
        headers: { "accept-encoding": "identity" },
      }),
    );
  }
  const length = headers["content-length"];
  if (length !== undefined && Number(length) > limits.bodyBytes) {
    return taker.refused(tooLarge(limits.bodyBytes));
  }
  const reader = new BodyReader(x, limits, taker);
  x.begin(reader, limits.bodyTimeoutMs);
  x.req.on("data", (chunk: Buffer) => reader.take(chunk));
  x.req.on("end", () => reader.end());
  x.req.on("error", () => reader.broken());
}

class BodyReader implements Flow {
  readonly #x: Exchange;
  readonly #limits: BodyLimits;
  readonly #taker: BodyTaker;
  #first: Buffer | undefined;
  #more: Buffer[] | undefined;
  #size = 0;
  #over = false;

  constructor(x: Exchange, limits: BodyLimits, taker: BodyTaker) {
    this.#x = x;
    this.#limits = limits;
    this.#taker = taker;
  }

  take(chunk: Buffer): void {
    if (this.#over) return;
    this.#size += chunk.length;
    if (this.#size > this.#limits.bodyBytes) {
      this.#x.req.pause();
      this.#refuse(tooLarge(this.#limits.bodyBytes));
    } else if (this.#first === undefined) this.#first = chunk;
    else (this.#more ??= [this.#first]).push(chunk);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    const x = this.#x;
    x.over();
    x.record.request_bytes = this.#size;
    if (this.#more !== undefined) x.body = Buffer.concat(this.#more);
    else if (this.#first !== undefined) x.body = this.#first;
    this.#taker.whole();
  }

  broken(): void {
    this.#refuse(new Refusal("protocol", 400, "The request's body broke off."));
  }

  expire(): void {
    const { bodyTimeoutMs } = this.#limits;
    this.#refuse(
      new Refusal("limit", 408, `The request's body did not arrive within ${bodyTimeoutMs} ms.`, {
        headers: { connection: "close" },
      }),
    );
  }

  leave(): void {
    // The request's own error says so.
  }

  #refuse(refusal: Refusal): void {
    if (this.#over) return;
    this.#over = true;
    this.#x.over();
    this.#taker.refused(refusal);
  }
}

function tooLarge(limit: number): Refusal {
  return new Refusal("limit", 413, `The request is larger than ${limit} bytes.`, {
    headers: { connection: "close" },
  });
}
