import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Manifest } from "../mcp/manifest.ts";
import { type Artifact, BuildError, type BuildEvent, type BuildRequest } from "./build.ts";
import { type Disk, watchDisk } from "./disk.ts";
import { abortError, Events } from "./events.ts";
import { removeFolder } from "./folders.ts";
import { inspect } from "./inspect.ts";
import { install } from "./install.ts";
import { readIndexes } from "./install/indexes.ts";
import { downloadPython } from "./install/python.ts";
import { findUv } from "./install/tool.ts";
import { packageArtifact } from "./package.ts";
import { makePlan } from "./plan.ts";
import { type BuildServices, defaultLimits, type StepContext } from "./services.ts";
import { openBundle } from "./source/bundle.ts";
import { checkout } from "./source/checkout.ts";
import { fetchRemote } from "./source/remote.ts";
import { stripUserInfo } from "./source/url.ts";

export interface Built {
  readonly artifact: Artifact;
  readonly manifest: Manifest;
}

/**
 * Turns a source into an artifact: source, plan, install, package, inspect.
 * Yields what happens while it happens, and returns the artifact with the
 * manifest of what it serves. Throws BuildError: a failure of the author's, or
 * `canceled`, `time_limit`, `disk_limit`. Leaves nothing behind but whole
 * environments and artifacts; every step may be repeated after a crash.
 */
export async function* build(
  request: BuildRequest,
  services: BuildServices,
): AsyncGenerator<BuildEvent, Built> {
  const limits = { ...defaultLimits, ...services.limits };
  const events = new Events(limits);
  const stop = new AbortController();
  const work = join(services.dataDir, "builds", request.build);
  const cancel = (): void => stop.abort(request.signal.reason);
  if (request.signal.aborted) cancel();
  request.signal.addEventListener("abort", cancel, { once: true });
  const minutes = Math.round(limits.timeMs / 60_000);
  const timer = setTimeout(() => {
    const words = `The build did not end within ${minutes} minutes.`;
    stop.abort(
      new BuildError(events.current, "time_limit", words, {
        hint: "Ship wheels, or pin fewer dependencies that compile.",
      }),
    );
  }, limits.timeMs);
  let running: Promise<Built> | undefined;
  let disk: Disk | undefined;
  try {
    await removeFolder(work);
    await mkdir(work, { recursive: true, mode: 0o700 });
    disk = watchDisk(work, limits.diskBytes, () => {
      const words = `The build uses more than ${Math.round(limits.diskBytes / 1024 ** 2)} MiB of disk.`;
      stop.abort(
        new BuildError(events.current, "disk_limit", words, { hint: "Keep large files and packages out." }),
      );
    });
    const context: StepContext = {
      organization: request.organization,
      services,
      limits,
      work,
      signal: stop.signal,
      say: (text, stream) => events.say(stripUserInfo(text), stream),
      warn: (text) => events.warn(stripUserInfo(text)),
      disk,
    };
    running = steps(request, context, events);
    const built = yield* events.until(running);
    // A build that was canceled is canceled, even when its last step won the race.
    if (stop.signal.aborted) throw abortError(events.current, stop.signal.reason);
    return built;
  } finally {
    clearTimeout(timer);
    disk?.stop();
    request.signal.removeEventListener("abort", cancel);
    // A reader that leaves early cancels; nobody else would ever see the result.
    stop.abort(new Error("the build's reader left"));
    await running?.catch(() => {});
    await removeFolder(work);
  }
}

async function steps(request: BuildRequest, context: StepContext, events: Events): Promise<Built> {
  const { services, work } = context;
  try {
    const folder = join(work, "checkout");
    const source = await events.step("source", async () => {
      const fetched =
        request.source.kind === "git"
          ? await fetchRemote(context, request.source.url, request.source.ref)
          : await openBundle(context, request.source);
      const { subject, ...absent } = await checkout(context, fetched, folder);
      events.push({ type: "resolved", commit: fetched.commit, ref: fetched.ref, subject });
      return { result: { ...fetched, absent }, reused: false };
    });
    const indexes = await readIndexes(services.env);
    const tool = async (): Promise<string> =>
      findUv(
        { cacheDir: services.cacheDir, env: services.env, signal: context.signal, say: context.say },
        indexes,
      );
    const plan = await events.step("plan", async () => ({
      result: await makePlan(
        context,
        folder,
        {
          entrypoint: request.entrypoint,
          dependencyFile: request.dependencyFile,
          source: request.source.kind === "git" ? stripUserInfo(request.source.url) : "FOLDER",
        },
        { ...source.absent, version: source.version },
        async (range) => downloadPython(context, await tool(), range),
      ),
      reused: false,
    }));
    const installed = await events.step("install", async () => {
      const program = await tool();
      if (services.env["HTTPS_PROXY"] || services.env["https_proxy"]) {
        context.say(
          "this machine's HTTPS_PROXY is not used: the guard dials directly, because it must see the addresses",
        );
      }
      const result = await install(context, { program, indexes }, plan, folder, source.commit);
      return { result, reused: result.environment.reused };
    });
    const artifact = await events.step("package", async () => {
      const { artifact: result, reused } = await packageArtifact(
        context,
        plan,
        installed,
        folder,
        source.commit,
      );
      return { result, reused };
    });
    const manifest = await events.step("inspect", async () => ({
      result: await inspect(
        services.inspector,
        artifact,
        { ...request, signal: context.signal, commit: source.commit, ref: source.ref },
        context,
      ),
      reused: false,
    }));
    return { artifact, manifest };
  } catch (error) {
    if (context.signal.aborted) throw abortError(events.current, context.signal.reason);
    throw error;
  }
}
