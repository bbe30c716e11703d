import { EventEmitter } from "node:events";
import { Logger, run, runMigrations, type TaskList, type WorkerEvents } from "graphile-worker";
import { sql } from "kysely";
import type pg from "pg";
import { type Log, messageOf } from "../lib/log.ts";
import type { Tx } from "./database.ts";

/** The background work there is, by name, with what each takes. */
export interface JobPayloads {
  build: { organization: string; build: string };
  maintain: Record<string, never>;
  refresh: { organization: string; server: string };
  refresh_due: Record<string, never>;
}
export type JobName = keyof JobPayloads;
export type Tasks = { [Name in JobName]: (payload: JobPayloads[Name], signal: AbortSignal) => Promise<void> };

export interface Jobs {
  /** Adds a job within the verb's transaction. Jobs of one queue run one after another; of one key, one waits at most. */
  add<Name extends JobName>(
    tx: Tx,
    name: Name,
    payload: JobPayloads[Name],
    options?: { queue?: string; key?: string; afterMs?: number },
  ): Promise<void>;
  /** Begins to work. `onWorker` learns the ids under which jobs are locked. */
  start(tasks: Tasks, onWorker: (id: string) => void): Promise<void>;
  close(): Promise<void>;
}

/** Jobs on graphile-worker: at least once, so every task is idempotent. */
export async function openJobs(pool: pg.Pool, log: Log): Promise<Jobs> {
  await runMigrations({ pgPool: pool, logger: quietLogger(log) });
  let stop: (() => Promise<void>) | undefined;
  const ending = new AbortController();
  return {
    async add(tx, name, payload, options = {}) {
      await sql`select graphile_worker.add_job(${name}, ${JSON.stringify(payload)}::json,
        queue_name => ${options.queue ?? null}, job_key => ${options.key ?? null}, max_attempts => 10,
        run_at => now() + make_interval(secs => ${(options.afterMs ?? 0) / 1000}))`.execute(tx);
    },
    async start(tasks, onWorker) {
      const taskList: TaskList = {};
      for (const name of Object.keys(tasks) as JobName[]) {
        const task = tasks[name] as (payload: unknown, signal: AbortSignal) => Promise<void>;
        taskList[name] = async (payload) => {
          try {
            await task(payload, ending.signal);
          } catch (error) {
            if (ending.signal.aborted) log.info("a job is left for the next start", { job: name });
            else log.error("a job failed and will be tried again", { job: name, error: messageOf(error) });
            throw error;
          }
        };
      }
      const events: WorkerEvents = new EventEmitter();
      // Jobs are locked under the pool's id, whichever worker of it runs them.
      events.on("pool:create", ({ workerPool }) => onWorker(workerPool.id));
      const runner = await run({
        events,
        pgPool: pool,
        taskList,
        concurrency: 3,
        pollInterval: 2000,
        noHandleSignals: true,
        crontab: "0 * * * * maintain ?fill=2h&jobKey=maintain\n* * * * * refresh_due ?jobKey=refresh_due",
        logger: quietLogger(log),
        gracefulShutdownAbortTimeout: 2000,
      });
      stop = () => runner.stop().catch(() => {});
    },
    async close() {
      ending.abort(new Error("the program is stopping"));
      await stop?.();
    },
  };
}

/**
 * Frees the jobs that no living program holds, so that they run again now
 * instead of in hours. A pool that is younger than its entry in `processes`
 * gets a minute to be entered.
 */
export async function freeJobsOfTheDead(tx: Tx): Promise<void> {
  await sql`
    with dead as (
      select distinct locked_by from graphile_worker._private_jobs j
      where locked_by is not null
        and not exists (select from processes p where p.ended_at is null and j.locked_by = any(p.workers))
        and (locked_at < now() - interval '1 minute'
          or exists (select from processes p where p.ended_at is not null and j.locked_by = any(p.workers)))
    )
    select graphile_worker.force_unlock_workers(array(select locked_by from dead))`.execute(tx);
}

/** Only what went wrong is worth a line of ours. */
function quietLogger(log: Log): Logger {
  return new Logger(() => (level, message) => {
    // A failed task was told where it failed.
    if (level === "error" && !message.startsWith("Failed task")) log.error(message);
    else if (level === "warning") log.warn(message);
  });
}
