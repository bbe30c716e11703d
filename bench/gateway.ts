import { quantile } from "./figures.ts";
import { load } from "./load.ts";
import { callsOf, forwarder, gateway, socket, stop, usage } from "./processes.ts";

/**
 * What the gateway costs: CPU µs per call (of its process alone), requests per
 * second and latencies, for JSON and for event stream answers, beside the bare
 * upstream and a forwarder without checks, interleaved in one run. A ratio is
 * the median over the rounds, each gateway measured against its own round's
 * forwarder: what else the machine does hits both.
 */
const median = (values: readonly number[]) => quantile(values, 0.5);
const requests = Number(process.env["BENCH_REQUESTS"] ?? 6_000);
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 11);
const levels = (process.env["BENCH_CONNECTIONS"] ?? "1,16,64").split(",").map(Number);

for (const tool of ["add", "stream"] as const) {
  const { bare, forwarded, stateless, handshake } = callsOf(tool);
  const subjects = [
    { name: "bare upstream", socket: socket("u"), request: bare, child: undefined },
    { name: "forwarder", socket: socket("f"), request: forwarded, child: forwarder },
    { name: "gateway, stateless", socket: socket("g"), request: stateless, child: gateway },
    { name: "gateway, handshake", socket: socket("g"), request: handshake, child: gateway },
  ];
  for (const subject of subjects) await load(subject.socket, subject.request, 16, 2 * requests);
  for (const connections of levels) {
    const seen = subjects.map(() => ({
      cpu: [] as number[],
      rate: [] as number[],
      p50: [] as number[],
      p99: [] as number[],
    }));
    for (let round = 0; round < rounds; round++) {
      for (const [i, subject] of subjects.entries()) {
        const before = subject.child && (await usage(subject.child));
        const count = connections === 1 ? requests / 4 : requests;
        const got = await load(subject.socket, subject.request, connections, count);
        const after = subject.child && (await usage(subject.child));
        if (before && after) {
          seen[i]!.cpu.push((after.user + after.system - before.user - before.system) / got.requests);
        }
        seen[i]!.rate.push(got.requests / got.seconds);
        seen[i]!.p50.push(got.p50);
        seen[i]!.p99.push(got.p99);
      }
    }
    const aim =
      connections === 16 ? "; aims against the forwarder: CPU ≤ ×1.3, throughput ≥ ×0.8, p50 ≤ ×1.25" : "";
    const form = tool === "add" ? "JSON answers" : "event stream answers";
    console.log(`\n${form}, ${connections} connections, median of ${rounds} rounds${aim}`);
    const base = seen[1]!;
    const ratio = (of: readonly number[], to: readonly number[]) =>
      `×${median(of.map((value, round) => value / to[round]!)).toFixed(2)}`;
    for (const [i, subject] of subjects.entries()) {
      const { cpu, rate, p50, p99 } = seen[i]!;
      const cost = cpu.length === 0 ? "" : `${median(cpu).toFixed(1)} µs CPU (${ratio(cpu, base.cpu)})`;
      console.log(
        [
          subject.name.padEnd(20),
          `${median(rate).toFixed(0).padStart(6)} req/s (${ratio(rate, base.rate)})`,
          `p50 ${median(p50).toFixed(2)} ms (${ratio(p50, base.p50)})`,
          `p99 ${median(p99).toFixed(2)} ms`,
          cost,
        ].join("  "),
      );
    }
  }
}
stop();
