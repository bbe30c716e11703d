import { headerValue, isObject, type JsonObject } from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import { announcesTasks, declaresTasks, tasksRequired } from "../../mcp/tasks.ts";
import { exactParams } from "../bridge/exact.ts";
import { noteCapability } from "../capability.ts";
import { upstreamHeaders } from "../exchange/credential.ts";
import type { Asked, Envelope } from "../admission/envelope.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { Forward } from "../exchange/forward.ts";
import { Refusal } from "../refusal.ts";
import { Rewriter } from "../exchange/rewrite.ts";
import type { Ground } from "../ground.ts";
import type { Turn } from "../turn.ts";
import { openTaskId, sealTaskId, TASK_LIFE_MS, type TaskClaims, unknownTask } from "./ids.ts";

type Doors = Pick<Ground, "snapshot" | "tokens" | "credentials" | "sessions" | "leases" | "clock" | "limits">;

/** Which tasks a `subscriptions/listen` follows, on the way to the upstream and back. */
export interface FollowedTasks {
  /** The ids to ask the upstream for. */
  readonly upstream: readonly string[];
  /** The client's own word for a task of the upstream; undefined for one it did not ask for. */
  idOf(task: string): string | undefined;
}

/**
 * The tasks extension on the stateless face (ext-tasks, 2026-07-28). A task
 * keeps its id within its upstream; the client knows it by one that is sealed
 * for it, so that every call on a task is bound to whom it was given to.
 */
export class Tasks {
  readonly #services: Doors;

  constructor(services: Doors) {
    this.#services = services;
  }

  /** Serves `tasks/get`, `tasks/update` and `tasks/cancel`; false for any other method. Throws refusals. */
  request(turn: Turn, { request, envelope }: Envelope & { kind: "stateless" }): boolean {
    if (!request.method.startsWith("tasks/")) return false;
    const { x, endpoint, principal } = turn;
    if (!declaresTasks(request.params)) throw undeclared();
    const claims = openTaskId(this.#services, turn, request.params["taskId"]);
    if (claims === undefined) {
      if (announcesTasks(endpoint.manifest.capabilities)) throw unknownTask("not sealed here");
      throw new Refusal("protocol", 404, "This server has no tasks.", { code: codes.methodNotFound });
    }
    noteTool(turn, claims);
    const { upstream } = claims;
    const spoken = {
      revision: envelope.revision,
      session: x.record.id,
      stateless: true,
      name: headerValue(claims.task),
    };
    const headers = upstreamHeaders(x, endpoint, principal, this.#services.credentials, spoken);
    const body = JSON.stringify({
      ...request.body,
      params: { ...exactParams(x, request.params), taskId: claims.task },
    });
    void new Forward(
      turn,
      this.#services,
      { upstream, headers, body, windowMs: endpoint.requestWindowMs, cancelOnLeave: true },
      new Rewriter(x, {
        rewrite: (message) =>
          message["method"] === undefined
            ? { kind: "pass", message: answered(turn, request, claims, message) }
            : { kind: "drop" },
        messageBytes: this.#services.limits.messageBytes,
        stateless: true,
      }),
    );
    return true;
  }

  /** A response of the upstream as the client gets it: a task in it has the gateway's id. */
  result(turn: Turn, request: Asked, response: JsonObject): JsonObject {
    const { result } = response;
    if (!isObject(result) || result["resultType"] !== "task") return response;
    if (request.method !== "tools/call") {
      return failed(turn, response, codes.internal, `The server answered ${request.method} with a task.`);
    }
    if (!declaresTasks(request.params)) {
      const why = "The server answered with a task, which this request did not declare to understand.";
      return failed(turn, response, codes.missingClientCapability, why, tasksRequired);
    }
    const id = sealTaskId(this.#services, turn, String(request.params["name"]), result["taskId"]);
    if (id === undefined)
      return failed(
        turn,
        response,
        codes.internal,
        "The server named a task with an id that cannot be used.",
      );
    return { ...response, result: withId(result, id) };
  }

  /**
   * The tasks of a `subscriptions/listen` that may be followed. Those of
   * nobody, of others, or of an earlier deployment are left out, as the
   * acknowledgement then says. Throws a refusal where the request did not
   * declare the extension.
   */
  filter(turn: Turn, params: JsonObject, taskIds: unknown): FollowedTasks {
    if (!declaresTasks(params)) throw undeclared();
    const ids = new Map<string, string>();
    for (const id of Array.isArray(taskIds) ? taskIds.slice(0, FOLLOWED) : []) {
      const claims = openTaskId(this.#services, turn, id);
      if (claims?.upstream === turn.endpoint.upstream) ids.set(claims.task, id as string);
    }
    return { upstream: [...ids.keys()], idOf: (task) => ids.get(task) };
  }

  /** `notifications/tasks` with the client's id; undefined for a task that it does not follow. */
  notification(followed: FollowedTasks, message: JsonObject): JsonObject | undefined {
    const { params } = message;
    if (!isObject(params)) return;
    const id = followed.idOf(String(params["taskId"]));
    return id === undefined ? undefined : { ...message, params: withId(params, id) };
  }
}

/**
 * A call without `task`, by which clients of 2025-11-25 ask for the
 * experimental kind of task: this gateway does not announce that, and who does
 * not announce it processes the request as any other (2025-11-25,
 * basic/utilities/tasks, "Capability Negotiation").
 */
export function withoutTask(x: Exchange, { params, body }: Asked): Buffer {
  if (params["task"] === undefined) return x.body;
  const { task: _, ...kept } = exactParams(x, params);
  return Buffer.from(JSON.stringify({ ...body, params: kept }));
}

/** Tasks that one stream follows at most. */
const FOLLOWED = 256;

/** What a server says of a task at most: in it a task's id, which may be one letter, becomes one of hundreds. */
const ERROR_CHARACTERS = 2000;

/** The record says of which tool the task is, and later rules on tools judge by it. */
function noteTool({ x, endpoint }: Turn, { tool, upstream }: TaskClaims): void {
  x.record.capability_kind = "tool";
  x.record.capability_name = tool;
  noteCapability(x, endpoint.manifest);
  if (upstream.kind === "hosted") x.record.artifact = upstream.target.artifact;
}

/** An id of ours is valid for a day, whatever the server says. */
function withId(task: JsonObject, taskId: string): JsonObject {
  const { ttlMs } = task;
  const longer = ttlMs === null || (typeof ttlMs === "number" && ttlMs > TASK_LIFE_MS);
  return longer ? { ...task, taskId, ttlMs: TASK_LIFE_MS } : { ...task, taskId };
}

function undeclared(): Refusal {
  return new Refusal(
    "protocol",
    400,
    "Tasks need the extension io.modelcontextprotocol/tasks among the client capabilities of the request.",
    { code: codes.missingClientCapability, data: tasksRequired },
  );
}

/** The server broke the extension's rules: the client gets an error, and the record the boundary. */
function failed({ x }: Turn, response: JsonObject, code: number, message: string, data?: object): JsonObject {
  x.record.boundary = "upstream";
  const error = data === undefined ? { code, message } : { code, message, data };
  return { jsonrpc: "2.0", id: response["id"], error };
}

/** A response to a call on a task, with the id by which the client knows it. */
function answered({ x }: Turn, request: Asked, claims: TaskClaims, response: JsonObject): JsonObject {
  const id = String(request.params["taskId"]);
  const { result, error } = response;
  if (isObject(result)) {
    return "taskId" in result ? { ...response, result: withId(result, id) } : response;
  }
  if (!isObject(error)) return response;
  const text = String(error["message"]);
  // An update may be refused for what it holds; whatever names the task, or reads one, is about the task.
  const updates = request.method === "tasks/update" && !text.includes(claims.task);
  if (error["code"] === codes.invalidParams && !updates) {
    x.record.because = "task not known to its server";
    return JSON.parse(unknownTask("").text(request.id, x.record.id)) as JsonObject;
  }
  const said = text.slice(0, ERROR_CHARACTERS).replaceAll(claims.task, id);
  return { ...response, error: { ...error, message: said } };
}
