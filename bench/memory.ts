import { line } from "./figures.ts";
import { load } from "./load.ts";
import { callsOf, gateway, socket, stop, usage } from "./processes.ts";

/** What the gateway's process holds after its first calls, and how much more after many. */
const calls = Number(process.env["BENCH_CALLS"] ?? 1_000_000);
const first = Math.min(100_000, calls / 10);
const mib = (bytes: number) => bytes / 1024 / 1024;

const before = await run(first);
const after = await run(calls - first);
const grown = after - before;
line(`after ${first} calls`, `${before.toFixed(0)} MiB`);
line(`after ${calls} calls`, `${after.toFixed(0)} MiB`);
line("grown by", `${grown.toFixed(0)} MiB`, { text: "≤ 20 MiB", met: grown <= 20 });
stop();

/** A quarter of the calls in each era and form of answer; the resident memory after them. */
async function run(count: number): Promise<number> {
  for (const tool of ["add", "stream"] as const) {
    const { stateless, handshake } = callsOf(tool);
    for (const request of [stateless, handshake]) await load(socket("g"), request, 16, count / 4);
  }
  return mib((await usage(gateway)).rss!);
}
