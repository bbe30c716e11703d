import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { environment } from "../fixtures/environments.ts";

const requirements = ["fastmcp==3.4.10"];

/** A real server that speaks only HTTP+SSE, run by FastMCP 3 with the official SDK's transport. */
export class SseServer implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #lines: string[];
  readonly #waiting = new Set<() => void>();

  constructor(child: ChildProcess, port: string, lines: string[]) {
    this.#child = child;
    this.url = `http://127.0.0.1:${port}/sse`;
    this.#lines = lines;
  }

  static async start(): Promise<SseServer> {
    const python = join(await environment(requirements), "bin/python");
    const child = spawn(python, [join(import.meta.dirname, "sse_server.py")], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const reader = createInterface(child.stdout);
    const [port] = (await once(reader, "line")) as [string];
    const server = new SseServer(child, port, []);
    reader.on("line", (line) => {
      server.#lines.push(line);
      for (const look of server.#waiting) look();
    });
    return server;
  }

  /** Resolves once it has said this, as often as that. */
  async said(words: string, times = 1): Promise<void> {
    const enough = () => this.#lines.filter((line) => line === words).length >= times;
    if (enough()) return;
    await new Promise<void>((resolve) => {
      const look = () => {
        if (!enough()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
    });
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const over = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await over;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
