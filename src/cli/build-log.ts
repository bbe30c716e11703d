import type { Output } from "../contract/route.ts";
import type { Routes } from "../contract/routes.ts";
import { OffingError } from "../contract/errors.ts";
import type { CliContext } from "./context.ts";
import { dim, red, visible } from "./output.ts";

type Event = Output<Routes["followBuild"]>;
export type BuildLine = Extract<Event, { type: "line" }>;
export type Build = Extract<Event, { type: "build" }>["build"];

/**
 * Reads a build's log; with `toEnd` until the build has ended, else what is
 * there now. A broken connection is taken up again after the last line.
 */
export async function followBuildLog(
  cli: CliContext,
  at: { organization: string; server: string; build: string },
  toEnd: boolean,
  onLine: (line: BuildLine) => void,
): Promise<Build | undefined> {
  let after: string | undefined;
  let build: Build | undefined;
  for (let tries = 0; tries < 5; tries++) {
    try {
      for await (const event of cli.client.stream(
        "followBuild",
        at,
        {},
        after === undefined ? {} : { after },
      )) {
        tries = 0;
        after = event.id;
        if (event.data.type === "line") onLine(event.data);
        else build = event.data.build;
        if (build !== undefined && !toEnd) return build;
      }
      if (build === undefined || ended(build)) return build;
    } catch (error) {
      if (tries === 4 || !isPassing(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return build;
}

/** Nobody answers just now, or the connection broke: not that the program refused. */
export function isPassing(error: unknown): boolean {
  return !(error instanceof OffingError) || error.code === "unavailable";
}

export function ended(build: Build): boolean {
  return build.status === "succeeded" || build.status === "failed" || build.status === "canceled";
}

export function lineText(line: BuildLine): string {
  const textOf = visible(line.text);
  return `${dim(`${line.at.slice(11, 23)} ${line.step.padEnd(8)}`)} ${line.stream === "err" ? red(textOf) : textOf}`;
}
