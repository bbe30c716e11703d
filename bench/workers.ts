import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quantile, youngGeneration } from "./figures.ts";
import { load } from "./load.ts";

/**
 * What several gateway processes on one shared port reach, beside one: requests
 * per second, latencies, and CPU µs per call over all of them. The load and as
 * many upstreams as processes run on the same machine, so the figures end where
 * its cores do. BENCH_WORKERS: how many, two by default.
 */
const count = Number(process.env["BENCH_WORKERS"] ?? 2);
const requests = Number(process.env["BENCH_REQUESTS"] ?? 10_000);
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 3);
const levels = (process.env["BENCH_CONNECTIONS"] ?? "1,16,64").split(",").map(Number);
const key = `off_${randomBytes(24).toString("base64url")}`;
const folder = mkdtempSync(join(tmpdir(), "ob-"));

const start = async (file: string, ...args: string[]) => {
  const child = fork(join(import.meta.dirname, file), args, { execArgv: youngGeneration });
  await once(child, "message");
  return child;
};
const usage = async (child: Awaited<ReturnType<typeof start>>): Promise<number> => {
  child.send("usage");
  const [{ user, system }] = (await once(child, "message")) as [{ user: number; system: number }];
  return user + system;
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === "object" && address !== null ? address.port : 0;
}

const upstreams = await Promise.all(
  Array.from({ length: count }, async (_, i) => {
    const path = join(folder, `u${i}`);
    return { path, child: await start("upstream.ts", path) };
  }),
);
const subjects = await Promise.all(
  [1, count].map(async (processes) => {
    const port = await freePort();
    const children = await Promise.all(
      upstreams.slice(0, processes).map(({ path }) => start("gateway-process.ts", path, String(port), key)),
    );
    return { name: `${processes} process${processes === 1 ? "" : "es"}`, port, children };
  }),
);

const call = {
  path: "/acme/bench/mcp",
  headers: {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    authorization: `Bearer ${key}`,
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "add",
  },
  body: JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: {
      name: "add",
      arguments: { a: 2, b: 3 },
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    },
  }),
};
for (const { port } of subjects) await load(port, call, 16, requests);
for (const connections of levels) {
  const seen = subjects.map(() => ({
    cpu: [] as number[],
    rate: [] as number[],
    p50: [] as number[],
    p99: [] as number[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, { port, children }] of subjects.entries()) {
      const before = await Promise.all(children.map(usage));
      const got = await load(port, call, connections, connections === 1 ? requests / 4 : requests);
      const after = await Promise.all(children.map(usage));
      const spent = after.reduce((sum, each, at) => sum + each - before[at]!, 0);
      seen[i]!.cpu.push(spent / got.requests);
      seen[i]!.rate.push(got.requests / got.seconds);
      seen[i]!.p50.push(got.p50);
      seen[i]!.p99.push(got.p99);
    }
  }
  console.log(`\n${connections} connections, median of ${rounds} rounds`);
  const median = (values: readonly number[]) => quantile(values, 0.5);
  for (const [i, { name }] of subjects.entries()) {
    const { cpu, rate, p50, p99 } = seen[i]!;
    const times = `×${(median(rate) / median(seen[0]!.rate)).toFixed(2)}`;
    console.log(
      [
        name.padEnd(12),
        `${median(rate).toFixed(0).padStart(6)} req/s (${times})`,
        `p50 ${median(p50).toFixed(2)} ms`,
        `p99 ${median(p99).toFixed(2)} ms`,
        `${median(cpu).toFixed(1)} µs CPU`,
      ].join("  "),
    );
  }
}
for (const { child } of upstreams) child.kill();
for (const { children } of subjects) for (const child of children) child.kill();
rmSync(folder, { recursive: true, force: true });
