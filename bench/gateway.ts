import { quantile } from "./figures.ts";
import { load } from "./load.ts";
import { bare, forwarder, gateway, handshake, socket, stateless, stop, usage } from "./processes.ts";

/**
 * What the gateway costs: CPU µs per call (of its process alone), requests per
 * second and latencies, beside the bare upstream and a forwarder without
 * checks, interleaved in one run.
 */
const median = (values: readonly number[]) => quantile(values, 0.5);
const subjects = [
  { name: "bare upstream", socket: socket("u"), request: bare, child: undefined },
  { name: "forwarder", socket: socket("f"), request: { ...bare, body: stateless.body }, child: forwarder },
  { name: "gateway, stateless", socket: socket("g"), request: stateless, child: gateway },
  { name: "gateway, handshake", socket: socket("g"), request: handshake, child: gateway },
];
const requests = Number(process.env["BENCH_REQUESTS"] ?? 10_000);
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 3);
for (const subject of subjects) await load(subject.socket, subject.request, 16, requests);
for (const connections of (process.env["BENCH_CONNECTIONS"] ?? "1,16,64").split(",").map(Number)) {
  const seen = subjects.map(() => ({
    cpu: [] as number[],
    rate: [] as number[],
    p50: [] as number[],
    p99: [] as number[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, subject] of subjects.entries()) {
      const before = subject.child && (await usage(subject.child));
      const got = await load(
        subject.socket,
        subject.request,
        connections,
        connections === 1 ? requests / 4 : requests,
      );
      const after = subject.child && (await usage(subject.child));
      if (before && after) {
        seen[i]!.cpu.push((after.user + after.system - before.user - before.system) / got.requests);
      }
      seen[i]!.rate.push(got.requests / got.seconds);
      seen[i]!.p50.push(got.p50);
      seen[i]!.p99.push(got.p99);
    }
  }
  const aim = connections === 16 ? "; aim: CPU of the gateway at most ×1.4 of the forwarder's" : "";
  console.log(`\n${connections} connections, median of ${rounds} rounds${aim}`);
  const base = median(seen[1]!.cpu);
  for (const [i, subject] of subjects.entries()) {
    const { cpu, rate, p50, p99 } = seen[i]!;
    const cost =
      cpu.length === 0 ? "" : `${median(cpu).toFixed(1)} µs CPU (×${(median(cpu) / base).toFixed(2)})`;
    console.log(
      `${subject.name.padEnd(20)} ${median(rate).toFixed(0).padStart(7)} req/s  p50 ${median(p50).toFixed(2)} ms  p99 ${median(p99).toFixed(2)} ms  ${cost}`,
    );
  }
}
stop();
