import { join } from "node:path";
import { readWebFiles, type WebFiles } from "../http/web-files.ts";
import type { WebBuild } from "../http/web.ts";
import { type Log, messageOf } from "../lib/log.ts";
import { buildWeb, findWebBuild, WebBuildError, type WebPlaces } from "./web-build.ts";

const checkout = join(import.meta.dirname, "../..");

export interface Web extends WebBuild {
  /** Builds the pages if they are stale, then serves them. Never throws: what fails is logged, and said on the pages. */
  refresh(): Promise<void>;
  /** Ends a build under way. */
  close(): Promise<void>;
}

export interface WebOptions {
  readonly cacheDir: string;
  readonly log: Log;
  readonly say: (text: string) => void;
  /** Default: this checkout. */
  readonly root?: string;
}

/** The pages of this checkout: there at once when they were built before. */
export async function openWeb(options: WebOptions): Promise<Web> {
  const { log, say } = options;
  const places: WebPlaces = { root: options.root ?? checkout, cacheDir: options.cacheDir };
  const stop = new AbortController();
  let files: WebFiles | undefined;
  let failed = false;
  let running: Promise<void> = Promise.resolve();
  try {
    const found = await findWebBuild(places);
    if (found !== undefined) files = await readWebFiles(found);
  } catch (error) {
    log.warn("the built pages could not be read; they are built again", { error: messageOf(error) });
  }

  async function refresh(): Promise<void> {
    if (files !== undefined) return;
    try {
      files = await readWebFiles(await buildWeb(places, { signal: stop.signal, say }));
      say("The pages are built.");
    } catch (error) {
      if (stop.signal.aborted) return;
      failed = true;
      log.error("the pages could not be built; the API, the CLI and every endpoint work without them", {
        error: messageOf(error),
        ...(error instanceof WebBuildError ? { output: error.output } : {}),
        next: "mend what the output names, then start again; ./offing up builds whatever changed",
      });
    }
  }

  return {
    files: () => files,
    missing: () =>
      failed
        ? { why: "Its pages could not be built: the program's log says why.", soon: false }
        : {
            why: "Its pages are being built, which takes some seconds; this address then shows them.",
            soon: true,
          },
    refresh: () => (running = refresh()),
    async close() {
      stop.abort();
      await running;
    },
  };
}

/** For a program without pages. */
export const noWeb: WebBuild = {
  files: () => undefined,
  missing: () => ({ why: "This program was started without pages.", soon: false }),
};
