import type { Socket } from "node:net";

/** What a command answers (Redis serialization protocol, version 2). */
export type Reply = string | number | null | readonly Reply[];

/** An error that the server answered; its message begins with a code in capitals. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/** Answers to our own commands are short. */
const LONGEST = 1024 * 1024;
const DEPTH = 8;

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** One connection to a server that speaks the Redis protocol: command in, answer out, in order. */
export class Connection {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #read: Buffer = Buffer.alloc(0);
  #broken: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", this.#onData);
    socket.on("error", this.#onEnd);
    socket.on("close", this.#onEnd);
    socket.resume();
  }

  /** Rejects with a ReplyError for an error that was answered, with any other when the connection is lost. */
  command(...words: readonly string[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) return reject(this.#broken);
      this.#waiting.push({ resolve, reject });
      this.#socket.write(
        `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`,
      );
    });
  }

  get broken(): boolean {
    return this.#broken !== undefined;
  }

  /** Gives the socket away: what it carries from here on is none of ours. */
  detach(): Socket {
    this.#socket.off("data", this.#onData);
    this.#socket.off("error", this.#onEnd);
    this.#socket.off("close", this.#onEnd);
    this.#socket.pause();
    return this.#socket;
  }

  close(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#read = this.#read.length === 0 ? chunk : Buffer.concat([this.#read, chunk]);
    if (this.#read.length > LONGEST) this.#socket.destroy(new Error("the answer is too long"));
    for (;;) {
      const parsed = parse(this.#read, 0, 0);
      if (parsed === undefined) return;
      this.#read = this.#read.subarray(parsed.end);
      const { reply } = parsed;
      const waiting = this.#waiting.shift();
      if (reply instanceof Error) waiting?.reject(reply);
      else waiting?.resolve(reply);
    }
  };

  readonly #onEnd = (error?: Error | boolean): void => {
    this.#broken ??= error instanceof Error ? error : new Error("the connection was closed");
    for (const { reject } of this.#waiting.splice(0)) reject(this.#broken);
  };
}

/** One answer from `at` on, and where it ends; undefined while it is not whole. */
function parse(bytes: Buffer, at: number, depth: number): { reply: Reply | Error; end: number } | undefined {
  const line = bytes.indexOf("\r\n", at);
  if (line < 0 || depth > DEPTH) return;
  const text = bytes.toString("utf8", at + 1, line);
  const end = line + 2;
  switch (bytes[at]) {
    case 0x2b: // +
      return { reply: text, end };
    case 0x2d: // -
      return { reply: new ReplyError(text), end };
    case 0x3a: // :
      return { reply: Number(text), end };
    case 0x24: {
      // $
      const length = Number(text);
      if (length < 0) return { reply: null, end };
      if (bytes.length < end + length + 2) return;
      return { reply: bytes.toString("utf8", end, end + length), end: end + length + 2 };
    }
    case 0x2a: {
      // *
      const count = Number(text);
      if (count < 0) return { reply: null, end };
      const replies: Reply[] = [];
      let next = end;
      for (let i = 0; i < count; i++) {
        const parsed = parse(bytes, next, depth + 1);
        if (parsed === undefined) return;
        replies.push(parsed.reply instanceof Error ? parsed.reply.message : parsed.reply);
        next = parsed.end;
      }
      return { reply: replies, end: next };
    }
    default:
      return { reply: new Error("the answer is not of the Redis protocol"), end };
  }
}
