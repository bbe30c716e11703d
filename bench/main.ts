import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/**
 * Runs the benches, all or the ones named as arguments, each in a process of its
 * own, and prints each figure beside its aim. Sizes come from the environment:
 * BENCH_REQUESTS, BENCH_ROUNDS, BENCH_CONNECTIONS (gateway), BENCH_STARTS
 * (start), BENCH_WORKERS (workers), BENCH_CALLS (memory).
 */
const sections: Readonly<Record<string, string>> = {
  push: "Push to live, a small and a heavy server",
  start: "Cold start of an instance",
  gateway: "What the gateway costs",
  workers: "What several gateway processes reach",
  memory: "Memory of the gateway",
};

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(sections);
for (const name of wanted) {
  if (sections[name] === undefined) {
    console.error(`There is no bench "${name}"; there are: ${Object.keys(sections).join(", ")}.`);
    process.exit(2);
  }
}
for (const name of wanted) {
  console.log(`\n# ${sections[name]} (${name})`);
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`)], { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) process.exitCode = 1;
}
