import { spawn } from "node:child_process";
import { join } from "node:path";

/** What a command line ended with. */
export interface Ended {
  /** Null where the run's patience ended before the command did. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const main = join(import.meta.dirname, "../../src/main.ts");

/** Runs one `./offing` command line with the URL and the key that a user elsewhere has. */
export async function offing(
  at: { readonly url: string; readonly key: string },
  signal: AbortSignal,
  ...args: readonly string[]
): Promise<Ended> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      OFFING_URL: at.url,
      OFFING_API_KEY: at.key,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const end = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  signal.removeEventListener("abort", end);
  return { code, stdout, stderr };
}
