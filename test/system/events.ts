import type { ClientRequest, IncomingMessage } from "node:http";

/** An event stream as it comes. */
export class Events {
  readonly #req: ClientRequest;
  readonly #response: IncomingMessage;
  readonly #seen: { id: string | undefined; data: string }[] = [];
  readonly #ended: Promise<void>;
  #text = "";
  #wake = Promise.withResolvers<void>();

  constructor(req: ClientRequest, response: IncomingMessage) {
    this.#req = req;
    this.#response = response;
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => this.#take(chunk));
    response.on("error", () => {});
    response.on("close", () => {
      ended.resolve();
      this.#wake.resolve();
    });
  }

  /** The first event whose data `accepts`, with the id that it had. Throws when the stream ends before. */
  async next(accepts: (data: string) => boolean): Promise<{ id: string | undefined; data: string }> {
    for (;;) {
      const found = this.#seen.find(({ data }) => accepts(data));
      if (found !== undefined) return found;
      if (this.#response.closed) {
        throw new Error(
          `HTTP ${this.#response.statusCode} ended with: ${this.#text} ${JSON.stringify(this.#seen)}`,
        );
      }
      await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
    }
  }

  leave(): void {
    this.#req.destroy();
  }

  /** Resolves when nothing more comes. */
  broken(): Promise<void> {
    return this.#ended;
  }

  #take(chunk: string): void {
    this.#text += chunk;
    const blocks = this.#text.split("\n\n");
    this.#text = blocks.pop()!;
    for (const block of blocks) {
      const lines = block.split("\n");
      const field = (name: string) =>
        lines
          .find((line) => line.startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trim();
      this.#seen.push({ id: field("id"), data: field("data") ?? "" });
    }
    this.#wake.resolve();
  }
}
