import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { startProgram } from "../program.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

/** Where a command line finds the program, and its key there. */
export interface Access {
  readonly OFFING_URL: string;
  readonly OFFING_API_KEY: string;
}

/** The whole program as its own process, as a person starts it. */
export async function startGateway(): Promise<AsyncDisposable & { readonly access: Access }> {
  const program = await startProgram();
  return {
    access: { OFFING_URL: program.url, OFFING_API_KEY: program.owner.key },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** `offing register URL`; the endpoint at which the server now stands. */
export async function register(access: Access, url: string): Promise<string> {
  const server = `at-${new URL(url).port}`;
  const line = [main, "register", url, "--server", server, "--allow-private", "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, line, {
    env: { ...process.env, ...access },
  });
  return (JSON.parse(stdout) as { endpoint: string }).endpoint;
}
