import type { ParseArgsConfig } from "node:util";
import type { CliContext } from "./context.ts";

export interface Call {
  readonly cli: CliContext;
  readonly args: readonly string[];
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
}

/** One row of the command table. */
export interface Command {
  /** As it is typed: `keys create`. */
  readonly name: string;
  /** The arguments, for the usage line: `SERVER [BUILD]`. */
  readonly usage: string;
  readonly summary: string;
  /** How many arguments it takes. */
  readonly args: readonly [min: number, max: number];
  readonly flags: NonNullable<ParseArgsConfig["options"]>;
  /** Resolves with the exit code. */
  run(call: Call): Promise<number>;
}

export function text(flags: Call["flags"], name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}
