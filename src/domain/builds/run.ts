import { type Artifact, BuildError, type BuildEvent, type BuildRequest } from "../../build/build.ts";
import { messageOf } from "../../lib/log.ts";
import type { Manifest } from "../../mcp/manifest.ts";
import type { Tx } from "../../store/database.ts";
import { storableJson } from "../../store/storable.ts";
import type { StoredSource } from "../../store/tables.ts";
import type { Context } from "../context.ts";
import { selectArtifact } from "../deployments/select.ts";
import { write } from "../write.ts";
import { type BuildLog, openBuildLog } from "./log.ts";

/** Turns a source into an artifact; `main` fills it from `build/`. */
export type Builder = (
  request: BuildRequest,
) => AsyncGenerator<BuildEvent, { artifact: Artifact; manifest: Manifest }>;

/** How often a build is begun before a program that stops during it is held to be its fault. */
const MAX_ATTEMPTS = 3;

/**
 * Runs one queued build to its end. Idempotent: after a crash it runs anew
 * from its first step, and what serves changes in one transaction at the end
 * or not at all.
 */
export async function runBuild(
  ctx: Context,
  builder: Builder,
  input: { organization: string; build: string; signal: AbortSignal },
): Promise<void> {
  const { organization, build } = input;
  const row = await claim(ctx, organization, build);
  if (row === undefined) return;
  const log = await openBuildLog(ctx, organization, build);
  const cancel = new AbortController();
  const look = () =>
    abortIfCanceled(ctx, organization, build, cancel).catch((error: unknown) =>
      ctx.log.warn("whether a build was canceled could not be read", { build, error: messageOf(error) }),
    );
  const unlisten = ctx.notices.on("builds", (subject) => {
    if (subject === null || subject === build) void look();
  });
  try {
    // Canceled between the claim and the first notice heard.
    await look();
    const request: BuildRequest = {
      organization,
      build,
      server: row.server,
      entrypoint: row.entrypoint,
      dependencyFile: row.dependency_file,
      source: await toBuildSource(ctx, organization, row.source as StoredSource),
      signal: AbortSignal.any([cancel.signal, input.signal]),
    };
    if (row.attempts > 1) say(ctx, log, "source", "the program stopped during this build; it begins anew");
    if (row.attempts > MAX_ATTEMPTS) {
      throw new BuildError(
        "source",
        "interrupted",
        `the program stopped ${MAX_ATTEMPTS} times during this build`,
        {
          hint: "look at the program's own log for why, then deploy again",
        },
      );
    }
    const { artifact, manifest } = await drain(builder(request), log);
    await log.event({ type: "started", step: "select", at: ctx.clock.now() });
    await selectArtifact(ctx, { organization, build, artifact, manifest });
  } catch (error) {
    if (input.signal.aborted && !cancel.signal.aborted) throw error;
    await fail(ctx, log, organization, build, error);
  } finally {
    unlisten();
    await log.flush();
    await ctx.notices.send(ctx.db, "builds", build);
  }
}

function claim(ctx: Context, organization: string, build: string) {
  return ctx.db.transaction().execute(async (tx) => {
    // With the server locked: a set that is replaced before a build took it is forgotten at once.
    await tx
      .selectFrom("servers as s")
      .innerJoin("builds as b", (join) =>
        join.onRef("b.organization", "=", "s.organization").onRef("b.server", "=", "s.id"),
      )
      .select("s.id")
      .where("b.organization", "=", organization)
      .where("b.id", "=", build)
      .forShare("s")
      .execute();
    return take(ctx, tx, organization, build);
  });
}

function take(ctx: Context, tx: Tx, organization: string, build: string) {
  return tx
    .updateTable("builds")
    .set((e) => ({
      status: "building",
      attempts: e("attempts", "+", 1),
      started_at: new Date(ctx.clock.now()),
      warnings: JSON.stringify([]),
      // Taken once: what is set from now on is for the next build, also when this one begins anew.
      variable_set: e
        .case()
        .when("attempts", ">", 0)
        .then(e.ref("variable_set"))
        .else(
          e
            .selectFrom("variable_sets as s")
            .select("s.id")
            .whereRef("s.organization", "=", "builds.organization")
            .whereRef("s.server", "=", "builds.server")
            .where("s.scope", "=", "production")
            .orderBy("s.seq", "desc")
            .limit(1),
        )
        .end(),
    }))
    .where("organization", "=", organization)
    .where("id", "=", build)
    .where("status", "in", ["queued", "building"])
    .returning(["server", "source", "entrypoint", "dependency_file", "attempts"])
    .executeTakeFirst();
}

async function toBuildSource(
  ctx: Context,
  organization: string,
  source: StoredSource,
): Promise<BuildRequest["source"]> {
  if (source.kind === "git") return source;
  const upload = await ctx.db
    .selectFrom("uploads")
    .select("blob")
    .where("organization", "=", organization)
    .where("id", "=", source.upload)
    .executeTakeFirst();
  if (upload === undefined) {
    throw new BuildError(
      "source",
      "upload_gone",
      "the upload that this build was to be made from is not kept any more",
      {
        hint: "deploy it again",
      },
    );
  }
  return { kind: "bundle", path: ctx.blobs.path(upload.blob), commit: source.commit, ref: source.ref };
}

async function abortIfCanceled(
  ctx: Context,
  organization: string,
  build: string,
  cancel: AbortController,
): Promise<void> {
  const row = await ctx.db
    .selectFrom("builds")
    .select("status")
    .where("organization", "=", organization)
    .where("id", "=", build)
    .executeTakeFirst();
  if (row?.status === "canceled") cancel.abort(new Error("the build was canceled"));
}

async function drain<T>(events: AsyncGenerator<BuildEvent, T>, log: BuildLog): Promise<T> {
  for (;;) {
    const next = await events.next();
    if (next.done) return next.value;
    await log.event(next.value);
  }
}

async function fail(
  ctx: Context,
  log: BuildLog,
  organization: string,
  build: string,
  error: unknown,
): Promise<void> {
  const known = error instanceof BuildError ? error : undefined;
  if (known === undefined)
    ctx.log.error("a build failed in a way we did not foresee", { build, error: messageOf(error) });
  const failure = {
    step: known?.step ?? log.running,
    code: known?.code ?? "internal",
    message: known?.message ?? `something went wrong here: ${messageOf(error)}`,
    traceback: known?.traceback ?? null,
    hint: known?.hint ?? null,
    missing: known?.missing ?? [],
  };
  if (failure.traceback)
    for (const text of failure.traceback.split("\n")) say(ctx, log, failure.step, text, "err");
  say(ctx, log, failure.step, failure.message, "err");
  for (const text of failure.hint?.split("\n") ?? []) say(ctx, log, failure.step, text);
  await log.failStep(failure.step);
  await write(ctx, organization, async ({ tx, audit }) => {
    const failed = await tx
      .updateTable("builds")
      .set({ status: "failed", error: storableJson(failure), finished_at: new Date(ctx.clock.now()) })
      .where("organization", "=", organization)
      .where("id", "=", build)
      .where("status", "=", "building")
      .returning("id")
      .executeTakeFirst();
    if (failed) audit("build.fail", build, { step: failure.step, code: failure.code });
  });
}

function say(ctx: Context, log: BuildLog, step: string, text: string, stream = "info"): void {
  log.line({ at: ctx.clock.now(), step, stream, text });
}
