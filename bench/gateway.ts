import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load } from "./load.ts";

/**
 * What the gateway costs: CPU µs per call (of its process alone), requests per
 * second and latencies, beside the bare upstream and a forwarder without
 * checks, interleaved in one run.
 */
const folder = mkdtempSync(join(tmpdir(), "ob-"));
const key = `off_${randomBytes(24).toString("base64url")}`;
const socket = (name: string) => join(folder, name);
const start = async (file: string, ...args: string[]): Promise<ChildProcess> => {
  const child = fork(join(import.meta.dirname, file), args);
  await once(child, "message");
  return child;
};
const upstream = await start("upstream.ts", socket("u"));
const forwarder = await start("forwarder.ts", socket("u"), socket("f"));
const gateway = await start("gateway-process.ts", socket("u"), socket("g"), key);

interface Usage {
  user: number;
  system: number;
  rss?: number;
}
async function usage(child: ChildProcess): Promise<Usage> {
  child.send("usage");
  const [message] = (await once(child, "message")) as [Usage];
  return message;
}

const call = {
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: "add", arguments: { a: 2, b: 3 } },
};
const plain = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const authorized = { ...plain, authorization: `Bearer ${key}` };
const stateless = {
  path: "/acme/bench/mcp",
  headers: {
    ...authorized,
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "add",
  },
  body: JSON.stringify({
    ...call,
    params: {
      ...call.params,
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
      },
    },
  }),
};
const handshake = {
  path: "/acme/bench/mcp",
  headers: { ...authorized, "mcp-protocol-version": "2025-11-25", "mcp-session-id": await session() },
  body: JSON.stringify(call),
};
const bare = { path: "/mcp", headers: plain, body: handshake.body };

/** The session id that `initialize` answers with. */
async function session(): Promise<string> {
  const { request } = await import("node:http");
  const req = request({
    socketPath: socket("g"),
    path: "/acme/bench/mcp",
    method: "POST",
    headers: authorized,
  });
  req.end(
    JSON.stringify({
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "bench", version: "1" },
      },
    }),
  );
  const [response] = await once(req, "response");
  response.resume();
  return String(response.headers["mcp-session-id"]);
}

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
  console.log(`\n${connections} connections, median of ${rounds} rounds`);
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
const { rss } = await usage(gateway);
console.log(`\ngateway memory at the end: ${Math.round(rss! / 1024 / 1024)} MB`);

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

for (const child of [gateway, forwarder, upstream]) child.kill();
rmSync(folder, { recursive: true, force: true });
