import type { Dispatcher } from "undici";
import type { RequestId } from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import { Post } from "./post.ts";
import type { Reply } from "./reply.ts";

/** Messages of clients on their way at once; each has a connection. */
const REQUESTS_MOST = 64;
/** More of them that may be other than requests: what ends a call or answers the server has room while calls wait. */
const OTHERS_MOST = 32;
/** Answers of ours on their way at once; a server that takes none of them gets no more. */
const OURS_MOST = 8;
/** Milliseconds within which an answer of ours must be taken. */
const OURS_MS = 30_000;
/** Messages whose calls were answered before they were taken: both often come in one moment. */
const LATE_MOST = 4;

const nothing = () => {};

/** The messages of one line that are on their way to the server, bounded. */
export class Posts {
  /** Where they are posted. */
  path = "";
  readonly #dispatcher: Dispatcher;
  readonly #origin: string;
  readonly #theirs = new Set<Post>();
  readonly #ours = new Set<Post>();
  readonly #late = new Set<Post>();

  constructor({ dispatcher, origin }: { readonly dispatcher: Dispatcher; readonly origin: string }) {
    this.#dispatcher = dispatcher;
    this.#origin = origin;
  }

  /** Whether the server has as many messages to take as it may have. */
  full(request: boolean): boolean {
    return this.#theirs.size >= (request ? REQUESTS_MOST : REQUESTS_MOST + OTHERS_MOST);
  }

  send(post: Post, message: { readonly text: string; readonly headers: string[] }): void {
    this.#send(post, message, this.#theirs);
  }

  /** An answer of the gateway's own. */
  answer(text: string): void {
    if (this.#ours.size >= OURS_MOST) return;
    const post = new Post({ sent: nothing, taken: nothing, refused: nothing, failed: nothing }, OURS_MS);
    this.#send(post, { text, headers: ["content-type", "application/json"] }, this.#ours);
  }

  /** What it asked is answered. Only the newest of these are waited for. */
  answered(post: Post): void {
    if (post.over) return;
    this.#late.add(post);
    for (const oldest of this.#late) if (this.#late.size > LATE_MOST) oldest.abort();
  }

  close(error: Error): void {
    for (const post of [...this.#theirs, ...this.#ours]) post.abort(error);
  }

  #send(post: Post, { text, headers }: { text: string; headers: string[] }, among: Set<Post>): void {
    among.add(post);
    post.onOver = () => {
      among.delete(post);
      this.#late.delete(post);
    };
    post.send(this.#dispatcher, { origin: this.#origin, path: this.path }, headers, text);
  }
}

/** Says that no more of a session's messages are taken for now. */
export function busy(reply: Reply, id: RequestId | null): void {
  const words =
    "The server takes the messages of this session too slowly: as many as may wait for it are on their way. Try again once a call is over.";
  reply.refuse(503, id, codes.internal, words);
}
