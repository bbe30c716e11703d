import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import {
  Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
} from "node:http";
import type { Program } from "../program.ts";
import { Events } from "./events.ts";

/** The gateway processes of a program, by pid. */
export function workersOf(program: Program): number[] {
  return program
    .descendants()
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("workers/worker.ts");
      } catch {
        return false;
      }
    })
    .sort((a, b) => a - b);
}

/** A kept-alive connection to each gateway process of a program. */
export async function linesToEach(program: Program): Promise<Line[]> {
  const found = new Map<number, Line>();
  const wanted = workersOf(program).length;
  // Where a connection ends up is the kernel's choice, as by a coin.
  for (let n = 0; n < 100 && found.size < wanted; n++) {
    const line = await Line.connect(program);
    if (found.has(line.worker)) line.close();
    else found.set(line.worker, line);
  }
  return [...found.values()];
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}
interface Call {
  readonly method: string;
  readonly params?: object;
}

/** One kept-alive connection. */
export class Line {
  /** The process at its other end. */
  worker = 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #base: string;
  #id = 0;

  constructor(base: string) {
    this.#base = base;
  }

  static async connect(program: Program): Promise<Line> {
    const line = new Line(program.url.replace("localhost", "127.0.0.1"));
    const port = await line.#touch();
    line.worker = processAt(Number(new URL(program.url).port), port, workersOf(program));
    return line;
  }

  close(): void {
    this.#agent.destroy();
  }

  headers(key: string): Record<string, string> {
    return {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      authorization: `Bearer ${key}`,
    };
  }

  async send(method: string, path: string, headers: Record<string, string>, body = ""): Promise<Answer> {
    const response = await this.#response(this.#request(method, path, headers, body));
    let text = "";
    for await (const chunk of response) text += String(chunk);
    return { status: response.statusCode!, headers: response.headers, text };
  }

  /** Posts one message of the handshake era. */
  post(path: string, key: string, call: Call, session?: string): Promise<Answer> {
    return this.send("POST", path, this.#handshake(key, session), this.#message(call));
  }

  /** The response to one message of the handshake era. */
  async ask(path: string, key: string, call: Call, session: string): Promise<Record<string, unknown>> {
    return responseIn(await this.post(path, key, call, session));
  }

  /** The response to one message of the stateless era. */
  async askStateless(
    path: string,
    key: string,
    { method, params }: Call,
    headers: Record<string, string> = {},
    capabilities: object = {},
  ): Promise<Record<string, unknown>> {
    const name = (params as { name?: string } | undefined)?.name;
    const stateless = {
      ...this.headers(key),
      ...headers,
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(name === undefined ? {} : { "mcp-name": name }),
    };
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": capabilities,
    };
    const body = this.#message({ method, params: { ...params, _meta } });
    return responseIn(await this.send("POST", path, stateless, body));
  }

  /** Begins a session of the handshake era; its id. */
  async open(path: string, key: string): Promise<string> {
    const clientInfo = { name: "line", version: "1" };
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
    const { headers, text } = await this.post(path, key, { method: "initialize", params });
    const session = headers["mcp-session-id"];
    if (typeof session !== "string") throw new Error(text);
    const initialized = JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" });
    await this.send("POST", path, this.#handshake(key, session), initialized);
    return session;
  }

  /** Posts one message of the handshake era whose answer is a stream. */
  async stream(path: string, key: string, call: Call, session: string): Promise<Events> {
    const req = this.#request("POST", path, this.#handshake(key, session), this.#message(call));
    return new Events(req, await this.#response(req));
  }

  /** Opens the standing stream of a session. */
  async stand(path: string, key: string, session: string): Promise<Events> {
    const req = this.#request("GET", path, this.#handshake(key, session), "");
    return new Events(req, await this.#response(req));
  }

  /** Goes on with a stream after an event of it. */
  async resume(path: string, key: string, session: string, event: string): Promise<Events> {
    const headers = { ...this.#handshake(key, session), "last-event-id": event };
    const req = this.#request("GET", path, headers, "");
    return new Events(req, await this.#response(req));
  }

  #handshake(key: string, session: string | undefined): Record<string, string> {
    const headers = { ...this.headers(key), "mcp-protocol-version": "2025-11-25" };
    return session === undefined ? headers : { ...headers, "mcp-session-id": session };
  }

  #message(call: Call): string {
    return JSON.stringify({ jsonrpc: "2.0", id: ++this.#id, ...call });
  }

  #request(method: string, path: string, headers: Record<string, string>, body: string): ClientRequest {
    const req = request(`${this.#base}${path}`, { method, headers, agent: this.#agent });
    req.end(body);
    return req;
  }

  async #response(req: ClientRequest): Promise<IncomingMessage> {
    const [response] = (await once(req, "response")) as [IncomingMessage];
    req.on("error", () => {});
    return response;
  }

  /** Connects; the port of this end. */
  async #touch(): Promise<number> {
    const req = this.#request("GET", "/api/v1/nothing", {}, "");
    const response = await this.#response(req);
    const port = response.socket.localPort!;
    response.resume();
    await once(response, "end");
    return port;
  }
}

/** The JSON-RPC response in an answer, plain or the last event of a stream. */
function responseIn({ status, headers, text }: Answer): Record<string, unknown> {
  if (!String(headers["content-type"]).startsWith("text/event-stream")) {
    if (text === "") throw new Error(`HTTP ${status} without a body`);
    return JSON.parse(text) as Record<string, unknown>;
  }
  const data = text.split("\n").filter((line) => line.startsWith("data:"));
  return JSON.parse(data.at(-1)!.slice("data:".length)) as Record<string, unknown>;
}

/** Which of `pids` has the other end of a connection from `local` to `port` (proc(5), /proc/net/tcp). */
function processAt(port: number, local: number, pids: readonly number[]): number {
  const hex = (n: number) => n.toString(16).toUpperCase().padStart(4, "0");
  const row = readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .find((each) => each[1]?.endsWith(`:${hex(port)}`) && each[2]?.endsWith(`:${hex(local)}`));
  const found = pids.find((pid) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some(
        (fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${row?.[9]}]`,
      );
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error(`no gateway process has the connection from port ${local}`);
  return found;
}
