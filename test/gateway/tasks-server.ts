import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { temporaryFolder } from "./harness.ts";
import {
  EXTENSION,
  type Json,
  PREFIX,
  required,
  RpcError,
  said,
  shape,
  type Task,
  TaskBook,
  tools,
} from "./task-book.ts";

/**
 * A stateless server with the tasks extension, in raw JSON-RPC, with the tools
 * that the conformance suite's tasks scenarios ask for. Keeps what it received.
 */
export class TasksServer implements AsyncDisposable {
  /** `unix:<path>`. */
  readonly address: string;
  /** The same on loopback. */
  readonly url: string;
  readonly received: { readonly headers: IncomingMessage["headers"]; readonly message: Json }[] = [];
  /** Answers with a task even those who did not declare the extension, as no server may. */
  careless = false;
  readonly #book = new TaskBook();
  readonly #servers: readonly Server[];
  readonly #folder: string;

  private constructor(servers: readonly Server[], folder: string, address: string, url: string) {
    this.#servers = servers;
    this.#folder = folder;
    this.address = address;
    this.url = url;
  }

  static async start(): Promise<TasksServer> {
    const folder = temporaryFolder();
    const handle = (req: IncomingMessage, res: ServerResponse) => void self.#serve(req, res);
    const servers = [createServer(handle), createServer(handle)] as const;
    servers[0].listen(join(folder, "s"));
    servers[1].listen(0, "127.0.0.1");
    await Promise.all(servers.map((server) => once(server, "listening")));
    const url = `http://127.0.0.1:${(servers[1].address() as AddressInfo).port}/mcp`;
    const self: TasksServer = new TasksServer(servers, folder, `unix:${join(folder, "s")}`, url);
    return self;
  }

  /** The ids of its tasks, as it knows them, oldest first. */
  get ids(): readonly string[] {
    return [...this.#book.tasks.keys()];
  }

  /** Streams that are told of tasks. */
  get listeners(): number {
    return this.#book.listeners.size;
  }

  /** Ends a task that works, at once, with this text as its result. */
  finish(taskId: string, text: string): void {
    this.#book.settle(this.#book.tasks.get(taskId)!, "completed", { result: said(text) });
  }

  /** Forgets a task, as after its time. */
  forget(taskId: string): void {
    this.#book.tasks.delete(taskId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const task of this.#book.tasks.values()) clearTimeout(task.timer);
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    res.on("error", () => {});
    if (req.method !== "POST") return void res.writeHead(405).end();
    let text = "";
    for await (const chunk of req) text += chunk;
    const message = JSON.parse(text) as Json;
    this.received.push({ headers: req.headers, message });
    if (message["method"] === "subscriptions/listen") return this.#listen(message, res);
    const reply = { jsonrpc: "2.0", id: message["id"] };
    try {
      const result = this.#answer(req, message);
      res.writeHead(200, { "content-type": "application/json" });
      res.end(JSON.stringify({ ...reply, result: { resultType: "complete", ...result } }));
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      const status = error.code === -32601 ? 404 : error.code <= -32020 && error.code > -32100 ? 400 : 200;
      res.writeHead(status, { "content-type": "application/json" });
      const { code, data } = error;
      const told =
        data === undefined ? { code, message: error.message } : { code, message: error.message, data };
      res.end(JSON.stringify({ ...reply, error: told }));
    }
  }

  #answer(req: IncomingMessage, message: Json): Json {
    const params = (message["params"] ?? {}) as Json;
    const named = message["method"] === "tools/call" ? params["name"] : req.headers["mcp-name"];
    if (req.headers["mcp-method"] !== message["method"] || req.headers["mcp-name"] !== named)
      throw new RpcError(-32020, "The headers do not repeat the body");
    switch (message["method"]) {
      case "server/discover":
        return {
          supportedVersions: ["2026-07-28"],
          capabilities: { tools: {}, extensions: { [EXTENSION]: {} } },
          _meta: { [`${PREFIX}serverInfo`]: { name: "tasks", version: "1" } },
          ttlMs: 0,
          cacheScope: "private",
        };
      case "tools/list":
        return { tools, ttlMs: 0, cacheScope: "private" };
      case "tools/call":
        return this.#book.call(params, declares(params) || this.careless);
      case "tasks/get":
        return shape(this.#task(req, params));
      case "tasks/update":
        return this.#book.update(this.#task(req, params), (params["inputResponses"] ?? {}) as Json);
      case "tasks/cancel": {
        const task = this.#task(req, params);
        if (task.status === "working" || task.status === "input_required")
          this.#book.settle(task, "cancelled", {});
        return {};
      }
      default:
        throw new RpcError(-32601, `${String(message["method"])} is not served.`);
    }
  }

  /** The task that a request names, of a client that may. */
  #task(req: IncomingMessage, params: Json): Task {
    if (!declares(params)) throw new RpcError(-32021, "Missing required client capability", required);
    const id = String(params["taskId"]);
    if (req.headers["mcp-name"] !== id) throw new RpcError(-32020, "Mcp-Name does not name the task");
    const task = this.#book.tasks.get(id);
    if (task === undefined) throw new RpcError(-32602, `Failed to retrieve task: Task ${id} not found`);
    return task;
  }

  /** Acknowledges the tasks that it has, and tells of each change of theirs. */
  #listen(message: Json, res: ServerResponse): void {
    const params = message["params"] as Json;
    const wanted = ((params["notifications"] as Json)["taskIds"] ?? []) as string[];
    const taskIds = wanted.filter((id) => this.#book.tasks.has(id));
    const stamp = { _meta: { [`${PREFIX}subscriptionId`]: message["id"] } };
    const send = (method: string, told: Json) =>
      res.write(`data: ${JSON.stringify({ jsonrpc: "2.0", method, params: { ...stamp, ...told } })}\n\n`);
    res.writeHead(200, { "content-type": "text/event-stream" });
    send("notifications/subscriptions/acknowledged", { notifications: { taskIds } });
    const listener = (task: Task) => {
      if (taskIds.includes(task.taskId)) send("notifications/tasks", shape(task));
    };
    this.#book.listeners.add(listener);
    res.on("close", () => this.#book.listeners.delete(listener));
  }
}

function declares(params: Json): boolean {
  const meta = (params["_meta"] ?? {}) as Json;
  const capabilities = (meta[`${PREFIX}clientCapabilities`] ?? {}) as Json;
  return ((capabilities["extensions"] ?? {}) as Json)[EXTENSION] !== undefined;
}
