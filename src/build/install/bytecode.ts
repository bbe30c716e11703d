import { join } from "node:path";
import { runChild } from "../child.ts";
import type { StepContext } from "../services.ts";

const program = join(import.meta.dirname, "../python/bytecode.py");

/**
 * Gives every module below `folder` its bytecode, by the interpreter alone: with
 * the environment's own start-up files (`.pth`) it would run the packages' code.
 * `siblings` are environments that we made from the same interpreter: a module
 * that is one file with theirs takes their bytecode.
 */
export async function compileAll(
  context: StepContext,
  python: string,
  folder: string,
  siblings: readonly string[] = [],
): Promise<void> {
  const result = await runChild({
    argv: [python, "-I", "-S", program, folder, ...siblings],
    cwd: "/",
    env: {},
    signal: context.signal,
  });
  if (result.code !== 0) context.say("not every module has its bytecode; the first start takes longer");
}
