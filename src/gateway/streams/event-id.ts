import { isId, type RequestId } from "../../mcp/envelope.ts";

/** Where an event stood: `<holder>.<stream>.<seq>`, or `<holder>.<stream>.end` for the last one of a stream. */
export interface EventId {
  /** The process that holds the stream. */
  readonly holder: string;
  readonly stream: string;
  /** Infinity for a stream's last event. */
  readonly seq: number;
  /** The request that the stream answers, as its client named it; null where its id is too long to repeat. */
  readonly request: RequestId | null;
}

const pattern = /^([\w-]{1,128})\.([0-9a-z]{1,40}(?:-[\w-]{1,64})?)\.(\d{1,15}|end)$/;

/**
 * A stream's name. It repeats the id of the request, so that even when its
 * holder is gone, whoever is asked for it can end that request with an error.
 */
export function streamName(unique: string, request: RequestId | null): string {
  if (request === null) return unique;
  const encoded = Buffer.from(JSON.stringify(request)).toString("base64url");
  return encoded.length <= 64 ? `${unique}-${encoded}` : unique;
}

/** Undefined for what is no id of ours. */
export function readEventId(text: string): EventId | undefined {
  const match = pattern.exec(text);
  if (match === null) return;
  const [, holder, stream, seq] = match as unknown as [string, string, string, string];
  return { holder, stream, seq: seq === "end" ? Infinity : Number(seq), request: requestOf(stream) };
}

function requestOf(stream: string): RequestId | null {
  const dash = stream.indexOf("-");
  if (dash < 0) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(stream.slice(dash + 1), "base64url").toString());
    return isId(value) ? value : null;
  } catch {
    return null;
  }
}
