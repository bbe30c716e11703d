import { isObject } from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import type { Target, Upstream } from "../../snapshot/snapshot.ts";
import { Refusal } from "../refusal.ts";
import type { Ground } from "../ground.ts";
import { principalId } from "../sessions/session.ts";
import type { Turn } from "../turn.ts";

/** What an id of the gateway's own stands for. */
export interface TaskClaims {
  /** The id under which the upstream knows the task. */
  readonly task: string;
  /** The tool whose call became the task. */
  readonly tool: string;
  /** Where the task lives; its endpoint may have been promoted since. */
  readonly upstream: Upstream;
}

type Doors = Pick<Ground, "sessions" | "clock">;

/**
 * How long an id is valid: as long as anything is routed for a client. A task's
 * own `ttlMs` is no measure, since servers lengthen it while the task runs; the
 * upstream says itself when it has forgotten the task.
 */
export const TASK_LIFE_MS = 24 * 60 * 60 * 1000;

/** Longer ids are not passed on: a header must carry them. */
const ID_BYTES = 1024;
const SEALED_BYTES = 6 * 1024;

/**
 * The gateway's own id for a task: sealed for this endpoint and this principal,
 * for a day. Any replica opens it; nobody else's does. Undefined for what
 * cannot be a task's id.
 */
export function sealTaskId(doors: Doors, turn: Turn, tool: string, task: unknown): string | undefined {
  if (typeof task !== "string" || task === "" || Buffer.byteLength(task) > ID_BYTES) return;
  const { endpoint, principal } = turn;
  const { upstream } = endpoint;
  return doors.sessions.seal({
    use: "task",
    endpoint: endpoint.id,
    principal: principalId(principal),
    task,
    tool,
    ...(upstream.kind === "hosted" ? { runs: runsOf(upstream.target) } : {}),
    expires: doors.clock.now() + TASK_LIFE_MS,
  });
}

/** What the id stands for; undefined for one that is unknown, expired, another principal's or another endpoint's. */
export function openTaskId(doors: Doors, { endpoint, principal }: Turn, id: unknown): TaskClaims | undefined {
  if (typeof id !== "string" || id.length > SEALED_BYTES) return;
  const claims = doors.sessions.open(id);
  if (!isObject(claims) || claims["use"] !== "task") return;
  const { task, tool, expires, runs } = claims;
  if (claims["endpoint"] !== endpoint.id || claims["principal"] !== principalId(principal)) return;
  if (typeof expires !== "number" || expires <= doors.clock.now()) return;
  if (typeof task !== "string" || typeof tool !== "string") return;
  const { upstream } = endpoint;
  if (!isRuns(runs) || upstream.kind !== "hosted") return { task, tool, upstream };
  const [artifact, scope, variables] = runs;
  const { target } = upstream;
  const same = target.artifact === artifact && target.scope === scope && target.variables === variables;
  if (same) return { task, tool, upstream };
  return { task, tool, upstream: { kind: "hosted", target: { ...target, artifact, scope, variables } } };
}

/** The one answer for a task that is unknown, expired, or not the caller's. */
export function unknownTask(because: string): Refusal {
  return new Refusal(
    "protocol",
    200,
    "There is no such task: params.taskId is not one that this endpoint gave you, or the task has expired.",
    { code: codes.invalidParams, because: `task ${because}` },
  );
}

type Runs = readonly [artifact: string, scope: Target["scope"], variables: string | null];

/** What of a target may differ from one promotion to the next. */
function runsOf({ artifact, scope, variables }: Target): Runs {
  return [artifact, scope, variables];
}

function isRuns(value: unknown): value is Runs {
  return (
    Array.isArray(value) &&
    typeof value[0] === "string" &&
    (value[1] === "production" || value[1] === "preview") &&
    (value[2] === null || typeof value[2] === "string")
  );
}
