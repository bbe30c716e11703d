import { spawn } from "node:child_process";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { pythonFolder, type Interpreter } from "../interpreter.ts";
import { blockedRanges } from "./ranges.ts";

export interface EgressOptions {
  /** Absolute path of slirp4netns. */
  readonly slirp: string;
  /** Addresses (IPv4) that pass although they lie in a blocked range. */
  readonly allow: readonly string[];
}

export interface Egress {
  stop(): void;
}

/** Every IPv4 address of this machine, read anew: interfaces come and go. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flat()
    .flatMap((entry) => (entry?.family === "IPv4" ? [entry.address] : []));
}

/**
 * Gives the network namespace of `pid` a way out by slirp4netns, after it has
 * been made unable to reach blocked addresses. IPv6 stays off. Resolves when the
 * way is open; rejects when it cannot be made within five seconds. Ends with
 * this process, whatever ends it: the other end of descriptor 4 closes.
 */
export async function attachEgress(
  machine: { readonly python: Interpreter },
  options: EgressOptions,
  pid: number,
): Promise<Egress> {
  const child = spawn(machine.python.executable, ["-I", "-S", join(pythonFolder, "egress.py")], {
    cwd: "/",
    env: {},
    detached: true,
    stdio: ["pipe", "ignore", "pipe", "pipe", "pipe"],
  });
  const ready = child.stdio[3] as Duplex;
  let said = "";
  child.stderr!.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  for (const stream of [child.stdin!, ready, child.stdio[4] as Duplex]) stream.on("error", () => {});
  const stop = (): void => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      child.kill("SIGKILL");
  };
  child.stdin!.end(
    JSON.stringify({ pid, slirp: options.slirp, blocked: blockedRanges(ownAddresses(), options.allow) }),
  );
  const timer = setTimeout(stop, 5000);
  try {
    await new Promise<void>((resolve, reject) => {
      ready.once("data", () => resolve());
      child.once("error", reject);
      child.once("exit", (code, signal) =>
        reject(new Error(`slirp4netns ended (${signal ?? code}): ${said.trim()}`)),
      );
    });
  } catch (error) {
    stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  child.unref();
  return { stop };
}
