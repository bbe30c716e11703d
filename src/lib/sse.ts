/** One event of a server-sent event stream. */
export interface SseEvent {
  readonly event: string | undefined;
  readonly id: string | undefined;
  readonly data: string;
}

/** The stream holds an event that is larger than the reader was told to accept. */
export class SseTooLarge extends Error {
  override readonly name = "SseTooLarge";
}

const LF = 10;
const CR = 13;
const COLON = 58;

/**
 * Reads a server-sent event stream piece by piece (WHATWG HTML 9.2.6),
 * bounded: an event of more than `limit` bytes throws SseTooLarge. Events
 * without data are not dispatched, as the standard says.
 */
export class SseReader {
  readonly #limit: number;
  readonly #onEvent: (event: SseEvent) => void;
  /** Pieces of a line whose end has not come, joined only then. */
  #rest: Buffer[] = [];
  #waiting = 0;
  #afterCr = false;
  #first = true;
  #size = 0;
  #data: string[] = [];
  #event: string | undefined;
  #id: string | undefined;
  /** The newest id of all, from where a reader asks again. */
  lastId: string | undefined;
  /** Milliseconds after which the stream wants to be asked again, if it said so. */
  retryMs: number | undefined;

  constructor(limit: number, onEvent: (event: SseEvent) => void) {
    this.#limit = limit;
    this.#onEvent = onEvent;
  }

  /** Begins a stream that goes on with this one: what was unfinished is dropped. */
  restart(): void {
    this.#rest = [];
    this.#waiting = 0;
    this.#afterCr = false;
    this.#first = true;
    this.#size = 0;
    this.#data = [];
    this.#event = undefined;
    this.#id = undefined;
  }

  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#afterCr && bytes.length > 0) {
      // The line feed of a CRLF that was cut in two ends no second line.
      this.#afterCr = false;
      if (bytes[0] === LF) bytes = bytes.subarray(1);
    }
    // The rest of an unfinished line holds no line end, so only new bytes are searched.
    let end = lineEnd(bytes, 0);
    if (end >= 0 && this.#waiting > 0) {
      end += this.#waiting;
      bytes = Buffer.concat([...this.#rest, bytes]);
      this.#rest = [];
      this.#waiting = 0;
    }
    let from = 0;
    for (; end >= 0; end = lineEnd(bytes, from)) {
      this.#line(bytes.subarray(from, end));
      from = end + 1;
      if (bytes[end] === CR) {
        if (from === bytes.length) this.#afterCr = true;
        else if (bytes[from] === LF) from++;
      }
    }
    if (from < bytes.length) {
      this.#rest.push(bytes.subarray(from));
      this.#waiting += bytes.length - from;
    }
    if (this.#size + this.#waiting > this.#limit) throw this.#tooLarge();
  }

  #line(given: Buffer): void {
    let line = given;
    if (this.#first) {
      this.#first = false;
      if (line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf) line = line.subarray(3);
    }
    if (line.length === 0) return this.#dispatch();
    this.#size += line.length;
    if (this.#size > this.#limit) throw this.#tooLarge();
    const colon = line.indexOf(COLON);
    if (colon === 0) return;
    const name = colon < 0 ? line.toString() : line.toString("utf8", 0, colon);
    const start = colon < 0 ? line.length : line[colon + 1] === 32 ? colon + 2 : colon + 1;
    if (name === "data") this.#data.push(line.toString("utf8", start));
    else if (name === "event") this.#event = line.toString("utf8", start);
    else if (name === "id") this.#id = line.toString("utf8", start);
    else if (name === "retry" && /^\d{1,9}$/.test(line.toString("latin1", start))) {
      this.retryMs = Number(line.toString("latin1", start));
    }
  }

  #dispatch(): void {
    const event = { event: this.#event, id: this.#id, data: this.#data.join("\n") };
    const hasData = this.#data.length > 0;
    if (this.#id !== undefined) this.lastId = this.#id;
    this.#data = [];
    this.#event = undefined;
    this.#id = undefined;
    this.#size = 0;
    if (hasData) this.#onEvent(event);
  }

  #tooLarge(): SseTooLarge {
    return new SseTooLarge(`An event of the stream is larger than ${this.#limit} bytes.`);
  }
}

/**
 * The data of a piece that is one whole `message` event in its plainest form and nothing else: a
 * line of data, after the event's name or without it. `text`: bytes as characters.
 */
export function soleEvent(text: string): string | undefined {
  const end = text.endsWith("\r\n\r\n") ? "\r\n" : "\n";
  if (!text.endsWith(end + end)) return;
  const name = `event: message${end}`;
  const start = text.startsWith(name) ? name.length : 0;
  if (!text.startsWith("data: ", start)) return;
  const data = text.slice(start + 6, -2 * end.length);
  return data.includes("\n") || data.includes("\r") ? undefined : data;
}

/** One `message` event with one line of data; JSON text has no line ends of its own. */
export function sseMessage(json: string, id?: string): string {
  return id === undefined
    ? `event: message\ndata: ${json}\n\n`
    : `id: ${id}\nevent: message\ndata: ${json}\n\n`;
}

/**
 * Counts the events of a stream that only passes by: blank lines that end
 * a block with more in it than comments. Keeps no bytes.
 */
export class SseCounter {
  count = 0;
  /** What is kept of each event: the beginning of its first line of data. */
  readonly #headBytes: number;
  #head = "";
  /** Bytes of a line that are still to be kept. */
  #wanted = 0;
  /** 0: at a line's start, 1: within a line, 2: within a comment. */
  #at = 0;
  #block = false;
  #cr = false;

  constructor(headBytes = 0) {
    this.#headBytes = headBytes;
  }

  /** Whether what passed by ends between two events. */
  get between(): boolean {
    return this.#at === 0 && !this.#block;
  }

  /** An event has ended. `head`: the beginning of its data, `data:` included, single bytes as characters. */
  protected ended(_head: string): void {}

  push(chunk: Buffer): void {
    const length = chunk.length;
    let i = 0;
    while (i < length) {
      if (this.#at !== 0) {
        const end = lineEnd(chunk, i);
        if (this.#wanted > 0) this.#keep(chunk, i, end < 0 ? length : end);
        if (end < 0) return;
        this.#wanted = 0;
        this.#at = 0;
        this.#cr = chunk[end] === CR;
        i = end + 1;
        continue;
      }
      const byte = chunk[i]!;
      if (byte === LF && this.#cr) {
        this.#cr = false;
        i++;
        continue;
      }
      this.#cr = byte === CR;
      if (byte === LF || byte === CR) {
        if (this.#block) {
          this.count++;
          if (this.#headBytes > 0) this.ended(this.#head);
        }
        this.#block = false;
        this.#head = "";
      } else if (byte === COLON) {
        this.#at = 2;
      } else {
        this.#at = 1;
        this.#block = true;
        // Only a line of data begins with a "d".
        if (byte === 100 && this.#head === "") {
          this.#wanted = this.#headBytes;
          continue;
        }
      }
      i++;
    }
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    const kept = chunk.toString("latin1", from, Math.min(to, from + this.#wanted));
    this.#head += kept;
    this.#wanted -= kept.length;
  }
}

function lineEnd(bytes: Buffer, from: number): number {
  const lf = bytes.indexOf(LF, from);
  // Streams end their lines with LF or CRLF in practice: look for a CR only before the LF found.
  if (lf > from && bytes[lf - 1] === CR && bytes.indexOf(CR, from) === lf - 1) return lf - 1;
  const cr = (lf < 0 ? bytes.subarray(from) : bytes.subarray(from, lf)).indexOf(CR);
  return cr < 0 ? lf : from + cr;
}
