import type { Exchange } from "./exchange.ts";
import { Refusal } from "./refusal.ts";

export interface BodyLimits {
  readonly bodyBytes: number;
  /** Milliseconds until the last byte. */
  readonly bodyTimeoutMs: number;
}

/** Reads the whole body into the exchange. Refuses with 413, 408 or 415. */
export function readBody(x: Exchange, limits: BodyLimits): Promise<void> {
  const { req } = x;
  const type = req.headers["content-type"];
  if (type === undefined || !/^application\/json\s*(;|$)/i.test(type)) {
    throw new Refusal("protocol", 415, "Send JSON, with `Content-Type: application/json`.");
  }
  if (Number(req.headers["content-length"]) > limits.bodyBytes) throw tooLarge(limits.bodyBytes);
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined;
    let more: Buffer[] | undefined;
    let size = 0;
    x.expireAt(limits.bodyTimeoutMs, () => {
      reject(
        new Refusal("limit", 408, `The request's body did not arrive within ${limits.bodyTimeoutMs} ms.`, {
          headers: { connection: "close" },
        }),
      );
    });
    req.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.bodyBytes) {
        x.expireNever();
        req.pause();
        reject(tooLarge(limits.bodyBytes));
      } else if (first === undefined) first = chunk;
      else (more ??= [first]).push(chunk);
    });
    req.on("end", () => {
      x.expireNever();
      x.record.request_bytes = size;
      x.body = more === undefined ? (first ?? x.body) : Buffer.concat(more);
      resolve();
    });
    req.on("error", () => {
      x.expireNever();
      reject(new Refusal("protocol", 400, "The request's body broke off."));
    });
  });
}

function tooLarge(limit: number): Refusal {
  return new Refusal("limit", 413, `The request is larger than ${limit} bytes.`, {
    headers: { connection: "close" },
  });
}
