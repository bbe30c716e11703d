import { afterAll, beforeAll } from "vitest";
import { type Program, startProgram } from "../program.ts";
import { deployShared } from "./held-server.ts";
import { type Line, linesToEach } from "./lines.ts";

/** The program with two gateway processes on one port, and the server `shared`, for a file's tests. */
export let program: Program;
/** Connections that are closed after them. */
export const opened: Line[] = [];
beforeAll(async () => {
  program = await startProgram({ OFFING_WORKERS: "2" });
  await deployShared(program);
});
afterAll(async () => {
  for (const line of opened) line.close();
  await program[Symbol.asyncDispose]();
});

/** A kept-alive connection to each worker. */
export async function each(): Promise<Line[]> {
  const lines = await linesToEach(program);
  opened.push(...lines);
  return lines;
}
