import { sql } from "kysely";
import type { BuildEvent } from "../../build/build.ts";
import { steps } from "../../build/build.ts";
import type { Services } from "../context.ts";

interface Line {
  at: number;
  step: string;
  stream: string;
  text: string;
}

/**
 * Writes a build's events as they come: lines in small batches, step changes
 * at once, each batch with a notice for those who follow. A second attempt at
 * the same build continues the log.
 */
export interface BuildLog {
  event(event: BuildEvent): Promise<void>;
  line(line: Line): void;
  failStep(step: string): Promise<void>;
  /** The step that was started last. */
  readonly running: string;
  flush(): Promise<void>;
}

const BATCH_MS = 40;

export async function openBuildLog(
  services: Services,
  organization: string,
  build: string,
): Promise<BuildLog> {
  const { db, notices } = services;
  const last = await db
    .selectFrom("build_lines")
    .select(({ fn }) => fn.max("seq").as("seq"))
    .where("organization", "=", organization)
    .where("build", "=", build)
    .executeTakeFirst();
  let seq = BigInt(last?.seq ?? 0);
  let pending: Line[] = [];
  let running = "source";
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    const batch = pending;
    pending = [];
    if (batch.length === 0) return writing;
    const rows = batch.map((line) => ({
      organization,
      build,
      seq: String(++seq),
      at: new Date(line.at),
      step: line.step,
      stream: line.stream,
      text: line.text.replaceAll("\0", "\\0"),
    }));
    writing = writing.then(async () => {
      await db.insertInto("build_lines").values(rows).execute();
      await notices.send(db, "builds", build);
    });
    return writing;
  };

  const push = (line: Line): void => {
    pending.push(line);
    if (pending.length >= 200) void flush().catch(() => {});
    else timer ??= setTimeout(() => void flush().catch(() => {}), BATCH_MS);
  };

  const step = (name: string) =>
    db
      .updateTable("build_steps")
      .where("organization", "=", organization)
      .where("build", "=", build)
      .where("step", "=", name);

  return {
    flush,
    line: push,
    get running() {
      return running;
    },
    async event(event) {
      if (event.type === "line") return push(event);
      await flush();
      if (event.type === "started") {
        running = event.step;
        const started = {
          status: "running" as const,
          started_at: new Date(event.at),
          duration_ms: null,
          reused: false,
        };
        await db
          .insertInto("build_steps")
          .values({ organization, build, step: event.step, position: steps.indexOf(event.step), ...started })
          .onConflict((conflict) => conflict.columns(["organization", "build", "step"]).doUpdateSet(started))
          .execute();
      } else if (event.type === "finished") {
        await step(event.step)
          .set({ status: "succeeded", duration_ms: event.durationMs, reused: event.reused })
          .execute();
      } else if (event.type === "warning") {
        await db
          .updateTable("builds")
          .set({ warnings: sql<string>`warnings || ${JSON.stringify([event.text])}::jsonb` })
          .where("organization", "=", organization)
          .where("id", "=", build)
          .execute();
      } else {
        await db
          .updateTable("builds")
          .set({ commit: event.commit, ref: event.ref, subject: event.subject })
          .where("organization", "=", organization)
          .where("id", "=", build)
          .execute();
      }
      await notices.send(db, "builds", build);
    },
    async failStep(name) {
      await flush();
      const now = new Date(services.clock.now());
      await step(name)
        .set({
          status: "failed",
          duration_ms: sql<number>`greatest(0, round(extract(epoch from ${now}::timestamptz - started_at) * 1000))`,
        })
        .execute();
    },
  };
}
