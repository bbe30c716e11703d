import type { IncomingHttpHeaders, OutgoingHttpHeader, OutgoingHttpHeaders } from "node:http";

/** What the gateway uses of a request: Node's own, or one message that came within another. */
export interface Incoming {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: string[];
  /** The body has been read whole. */
  readonly complete: boolean;
  readonly socket: { readonly remoteAddress?: string | undefined };
  on(event: "data" | "end" | "error", listener: (chunk: Buffer) => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** What the gateway uses of a response: Node's own, or where the answer to one message within another goes. */
export interface Outgoing {
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  /** All that was written has left. */
  readonly writableFinished: boolean;
  /** Bytes that wait for a reader. */
  readonly writableLength: number;
  setHeader(name: string, value: string): unknown;
  writeHead(status: number, headers?: OutgoingHttpHeaders | OutgoingHttpHeader[]): unknown;
  flushHeaders(): void;
  /** False: wait for `drain`. */
  write(chunk: Buffer | string, encoding?: BufferEncoding): boolean;
  end(chunk?: Buffer | string, encoding?: BufferEncoding): unknown;
  destroy(): unknown;
  on(event: "close" | "error" | "drain", listener: () => void): unknown;
  once(event: "close" | "drain", listener: () => void): unknown;
}
