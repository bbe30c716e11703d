import { randomBytes, randomUUID } from "node:crypto";

export type Json = Record<string, unknown>;

export const EXTENSION = "io.modelcontextprotocol/tasks";
export const PREFIX = "io.modelcontextprotocol/";
export const required = { requiredCapabilities: { extensions: { [EXTENSION]: {} } } };

export interface Task {
  readonly taskId: string;
  status: "working" | "input_required" | "completed" | "failed" | "cancelled";
  readonly createdAt: string;
  lastUpdatedAt: string;
  readonly ttlMs: number | null;
  readonly pollIntervalMs: number;
  /** What stands beside the status: `inputRequests`, `result` or `error`. */
  detail: Json;
  /** Ends what runs by time. */
  timer?: NodeJS.Timeout;
  /** Called with all that was asked for. */
  answered?: (responses: Json) => void;
  responses: Json;
}

export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** The tasks of a server, and its tools: those that the conformance suite's tasks scenarios ask for. */
export class TaskBook {
  readonly tasks = new Map<string, Task>();
  readonly listeners = new Set<(task: Task) => void>();

  /** Answers `tools/call`. `may`: whether the answer may be a task. */
  call(params: Json, may: boolean): Json {
    const given = (params["arguments"] ?? {}) as Json;
    switch (params["name"]) {
      case "greet":
        return said(`Hello, ${word(given["name"], "World")}!`);
      case "slow_compute": {
        const seconds = Number(given["seconds"] ?? 0);
        if (!may || seconds === 0) return said(`computed ${word(given["label"], "")}`);
        const ttlMs = "ttlMs" in given ? (given["ttlMs"] as number | null) : 60_000;
        return this.#create((task) => this.#later(task, seconds, { result: said("computed") }), ttlMs);
      }
      case "failing_job":
        if (!may) throw new RpcError(-32021, "This tool only runs as a task.", required);
        return this.#create((task) =>
          this.#later(task, 0, { result: { ...said("the job failed"), isError: true } }),
        );
      case "protocol_error_job":
        if (!may) throw new RpcError(-32603, "It broke.");
        return this.#create((task) =>
          this.#later(task, 0, { error: { code: -32603, message: "It broke." } }),
        );
      case "confirm_delete":
        if (!may) return said("nothing was deleted");
        return this.#create((task) =>
          this.#ask(task, { confirm: question("Delete it?") }, ({ confirm }) =>
            said(`deleted: ${words(confirm)}`),
          ),
        );
      case "multi_input":
        if (!may) return said("nobody was asked");
        return this.#create((task) =>
          this.#ask(task, { first: question("First?"), second: question("Second?") }, (responses) =>
            said(`${words(responses["first"])} and ${words(responses["second"])}`),
          ),
        );
      case "test_tool_with_task": {
        if (!may) throw new RpcError(-32021, "This tool only runs as a task.", required);
        const responses = params["inputResponses"] as Json | undefined;
        if (responses?.["user_name"] === undefined) {
          return {
            resultType: "input_required",
            inputRequests: { user_name: question("Who are you?") },
            requestState: "asked",
          };
        }
        const name = words(responses["user_name"]);
        return this.#create((task) => this.#later(task, 0, { result: said(`Hello, ${name}!`) }));
      }
      default:
        throw new RpcError(-32602, `Unknown tool: ${String(params["name"])}`);
    }
  }

  #create(begin: (task: Task) => void, ttlMs: number | null = 60_000): Json {
    const at = new Date().toISOString();
    const taskId = `task:${randomUUID()}:${randomBytes(3).toString("hex")}`;
    const task: Task = {
      taskId,
      status: "working",
      createdAt: at,
      lastUpdatedAt: at,
      ttlMs,
      pollIntervalMs: 50,
      detail: {},
      responses: {},
    };
    this.tasks.set(taskId, task);
    const created = { ...shape(task), resultType: "task" };
    begin(task);
    return created;
  }

  #later(task: Task, seconds: number, detail: Json): void {
    const end = () => this.settle(task, "error" in detail ? "failed" : "completed", detail);
    if (seconds === 0) end();
    else task.timer = setTimeout(end, seconds * 1000).unref();
  }

  #ask(task: Task, inputRequests: Json, result: (responses: Json) => Json): void {
    this.settle(task, "input_required", { inputRequests });
    task.answered = (responses) => this.settle(task, "completed", { result: result(responses) });
  }

  update(task: Task, responses: Json): Json {
    if (task.status !== "input_required") return {};
    const asked = { ...(task.detail["inputRequests"] as Json) };
    for (const key of Object.keys(responses)) {
      if (!(key in asked)) continue;
      task.responses[key] = responses[key];
      delete asked[key];
    }
    if (Object.keys(asked).length > 0) this.settle(task, "input_required", { inputRequests: asked });
    else task.answered?.(task.responses);
    return {};
  }

  settle(task: Task, status: Task["status"], detail: Json): void {
    clearTimeout(task.timer);
    task.status = status;
    task.detail = detail;
    task.lastUpdatedAt = new Date().toISOString();
    for (const listener of this.listeners) listener(task);
  }
}

export function shape({
  taskId,
  status,
  createdAt,
  lastUpdatedAt,
  ttlMs,
  pollIntervalMs,
  detail,
}: Task): Json {
  return { taskId, status, createdAt, lastUpdatedAt, ttlMs, pollIntervalMs, ...detail };
}

function word(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

export function said(text: string): Json {
  return { content: [{ type: "text", text }] };
}

function question(message: string): Json {
  const requestedSchema = { type: "object", properties: { name: { type: "string" } } };
  return { method: "elicitation/create", params: { mode: "form", message, requestedSchema } };
}

/** What an elicitation was answered with, as text. */
function words(response: unknown): string {
  return JSON.stringify((response as Json | undefined)?.["content"] ?? null);
}

export const tools = [
  ["greet", { name: { type: "string" } }],
  ["slow_compute", { seconds: { type: "number" }, label: { type: "string" }, ttlMs: {} }],
  ["failing_job", {}],
  ["protocol_error_job", {}],
  ["confirm_delete", { filename: { type: "string" } }],
  ["multi_input", {}],
  ["test_tool_with_task", {}],
].map(([name, properties]) => ({ name, inputSchema: { type: "object", properties } }));
