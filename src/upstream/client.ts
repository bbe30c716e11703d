import type { Dispatcher } from "undici";
import { SseReader } from "../lib/sse.ts";
import { isObject, type JsonObject } from "../mcp/envelope.ts";
import type { Dial } from "./dial.ts";

/** What an upstream answered to one message. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The JSON-RPC response, from JSON or from the stream; undefined where there was none. */
  readonly response: JsonObject | undefined;
}

export interface AskOptions {
  readonly signal: AbortSignal;
  /** Bytes of the whole answer at most. */
  readonly maxBytes: number;
}

/** An upstream that could not be asked, or whose answer is not one. */
export class AskError extends Error {
  override readonly name = "AskError";
  /** What it answered; undefined when there was no answer. */
  readonly answer: Answer | undefined;

  constructor(message: string, more: { cause?: unknown; answer?: Answer } = {}) {
    super(message, { cause: more.cause });
    this.answer = more.answer;
  }
}

/**
 * Posts one JSON-RPC message and waits for its response, whether it comes as
 * JSON or as an event stream. Throws AskError when the upstream cannot be
 * reached, breaks, exceeds the bound, or when the signal is aborted.
 */
export function ask(
  dial: Dial,
  message: JsonObject,
  headers: Readonly<Record<string, string>>,
  options: AskOptions,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown) => {
      reject(new AskError(reason, { cause }));
    };
    if (options.signal.aborted) return fail("The time to ask the server is over.");
    let controller: Dispatcher.DispatchController | undefined;
    const onAbort = () => {
      fail("The server did not answer in time.");
      controller?.abort(new Error("out of time"));
    };
    options.signal.addEventListener("abort", onAbort, { once: true });
    let status = 0;
    let answered: Answer["headers"] = {};
    let size = 0;
    let response: JsonObject | undefined;
    const chunks: Buffer[] = [];
    let events: SseReader | undefined;
    const finish = (reason?: string, cause?: unknown) => {
      options.signal.removeEventListener("abort", onAbort);
      if (reason !== undefined) return fail(reason, cause);
      resolve({ status, headers: answered, response: response ?? json(Buffer.concat(chunks).toString()) });
    };
    dial.dispatcher.dispatch(
      {
        origin: dial.origin,
        path: dial.path,
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...headers,
        },
        body: JSON.stringify(message),
      },
      {
        onRequestStart(started) {
          controller = started;
          if (options.signal.aborted) started.abort(new Error("out of time"));
        },
        onResponseStart(_, code, received) {
          status = code;
          answered = received;
          if (!String(received["content-type"]).startsWith("text/event-stream")) return;
          events = new SseReader(options.maxBytes, (event) => {
            const value = json(event.data);
            if (value !== undefined && value["id"] === message["id"] && value["method"] === undefined) {
              response = value;
            }
          });
        },
        onResponseData(current, chunk) {
          size += chunk.length;
          if (size > options.maxBytes) {
            current.abort(new Error(`The answer is larger than ${options.maxBytes} bytes.`));
          } else if (events === undefined) chunks.push(chunk);
          else {
            events.push(chunk);
            if (response !== undefined) {
              finish();
              current.abort(new Error("answered"));
            }
          }
        },
        onResponseEnd: () => finish(),
        onResponseError: (_, error) => finish(`The server cannot be asked: ${error.message}`, error),
      },
    );
  });
}

function json(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return;
  }
}
