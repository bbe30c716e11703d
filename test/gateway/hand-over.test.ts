import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Exchange } from "../../src/gateway/exchange/exchange.ts";
import { handOver, holderGone } from "../../src/gateway/hand-over.ts";
import { defaultLimits } from "../../src/gateway/limits.ts";
import type { RequestRecord } from "../../src/gateway/ports.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { temporaryFolder } from "./harness.ts";
import { deferred, event, keep, post, responseOf, scene, text } from "./scene.ts";
import { json, type Received, statelessCall } from "./scripted.ts";

/** What one gateway process holds, another hands requests over to. */
const call = () => statelessCall("tools/call", { name: "t", arguments: {} });
const answer = { content: [{ type: "text", text: "done" }], resultType: "complete" };

/** The holder, a whole gateway with an internal listener, and another process that hands everything over to it. */
async function twoProcesses(
  script: (received: Received) => void | Promise<void>,
  options: { handedOver?: boolean; windowMs?: number } = {},
) {
  const { world, upstream, url, key } = await scene(script);
  const folder = temporaryFolder();
  const path = join(folder, "holder");
  const holder = createServer((req, res) => world.gateway.take(req, res));
  await listening(holder, path);
  const peers = new Map([["holder", `unix:${path}`]]);
  const pools = createPools();
  const records: RequestRecord[] = [];
  const settled = deferred();
  const other = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    const x = new Exchange(req, res, systemClock, { write: (record) => void records.push(record) }, () =>
      settled.resolve(),
    );
    const ticks = setInterval(() => x.tick(), 10);
    res.on("close", () => clearInterval(ticks));
    x.handedOver = options.handedOver ?? false;
    for await (const chunk of req) chunks.push(chunk as Buffer);
    x.body = Buffer.concat(chunks);
    x.id = x.body.length === 0 ? null : 1;
    const services = {
      pools,
      peers: {
        self: "other",
        address: (name: string) => peers.get(name),
        others: () => [],
        stands: () => 0,
      },
      limits: { ...defaultLimits, personMs: 10 },
    };
    const turn = { x, endpoint: { requestWindowMs: options.windowMs ?? 20_000 } };
    if (!handOver(turn, services, "holder")) x.refuse(holderGone());
  });
  await listening(other, 0);
  keep({
    async [Symbol.asyncDispose]() {
      await pools.close();
      for (const server of [holder, other]) {
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
      }
      rmSync(folder, { recursive: true, force: true });
    },
  });
  const port = (other.address() as AddressInfo).port;
  return {
    world,
    upstream,
    direct: url,
    key,
    peers,
    records,
    settled: settled.promise,
    holder,
    url: `http://127.0.0.1:${port}${new URL(url).pathname}`,
  };
}

async function listening(server: Server, at: string | number): Promise<void> {
  if (typeof at === "string") server.listen(at);
  else server.listen(at, "127.0.0.1");
  await once(server, "listening");
}

const body = async (response: IncomingMessage) => JSON.parse(await text(response));

describe("A request that is handed over", () => {
  it("is answered by its holder, which alone writes the record, with the client's address. [R:workers.hand-over]", async () => {
    const { world, url, key, records, settled } = await twoProcesses(({ res, message }) =>
      json(res, { jsonrpc: "2.0", id: message.id, result: answer }),
    );
    const response = await responseOf(post(url, key, call()));
    expect(response.statusCode).toBe(200);
    expect(response.headers["content-type"]).toBe("application/json");
    expect(await body(response)).toMatchObject({ result: { content: answer.content } });
    await settled;
    expect(records).toEqual([]);
    const record = await world.record((each) => each.method === "tools/call");
    expect(record).toMatchObject({ http_status: 200, decision: "allow", ip: "127.0.0.1" });
    expect(world.records).toHaveLength(1);
  });

  it("is authenticated by its holder anew. [R:workers.hand-over-authenticates]", async () => {
    const { world, url, key, upstream } = await twoProcesses(({ res, message }) =>
      json(res, { jsonrpc: "2.0", id: message.id, result: answer }),
    );
    world.revoke(key);
    const response = await responseOf(post(url, key, call()));
    expect(response.statusCode).toBe(401);
    expect(response.headers["www-authenticate"]).toContain("invalid_token");
    expect(upstream.received).toEqual([]);
  });

  it("passes as a stream, event by event, and ends at its holder when its client leaves. [R:workers.hand-over-streams]", async () => {
    const left = deferred();
    const { world, url, key, settled, records } = await twoProcesses(({ res }) => {
      res.on("close", () => left.resolve());
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write(event({ jsonrpc: "2.0", method: "notifications/progress", params: {} }));
    });
    const req = post(url, key, call());
    const response = await responseOf(req);
    expect(response.headers).toMatchObject({
      "content-type": "text/event-stream",
      "x-accel-buffering": "no",
    });
    const [first] = (await once(response, "data")) as [Buffer];
    expect(first.toString()).toContain("notifications/progress");
    req.destroy();
    await left.promise;
    expect(await world.record((each) => each.outcome === "client_gone")).toMatchObject({ http_status: 200 });
    await settled;
    expect(records).toEqual([]);
  });

  it("brings large answers whole to a client that reads slowly.", async () => {
    const large = "x".repeat(12 * 1024 * 1024);
    const { url, key } = await twoProcesses(({ res, message }) =>
      json(res, {
        jsonrpc: "2.0",
        id: message.id,
        result: { ...answer, content: [{ type: "text", text: large }] },
      }),
    );
    const response = await responseOf(post(url, key, call()));
    let read = 0;
    for await (const chunk of response) {
      read += (chunk as Buffer).length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(read).toBe(Number(response.headers["content-length"]));
    expect(read).toBeGreaterThan(large.length);
  });
});

describe("A holder that is gone", () => {
  const gone = {
    id: 1,
    error: { code: -31410, message: expect.stringContaining("has ended"), data: { boundary: "session" } },
  };

  it("is answered with one clear error and a record of it. [R:workers.holder-gone]", async () => {
    const { url, key, peers, records, settled } = await twoProcesses(() => {});
    peers.delete("holder");
    const response = await responseOf(post(url, key, call()));
    expect(response.statusCode).toBe(410);
    expect(await body(response)).toMatchObject(gone);
    await settled;
    expect(records).toMatchObject([{ http_status: 410, boundary: "session", because: "the holder is gone" }]);
  });

  it("is answered likewise where nobody was told of its end yet.", async () => {
    const { url, key, holder, records, settled } = await twoProcesses(() => {});
    await new Promise((done) => holder.close(done));
    const response = await responseOf(post(url, key, call()));
    expect(response.statusCode).toBe(410);
    expect(await body(response)).toMatchObject(gone);
    await settled;
    expect(records).toMatchObject([{ http_status: 410, outcome: "upstream_gone" }]);
  });

  it("is told on the stream of a request that it was answering. [R:workers.holder-gone-streaming]", async () => {
    const { url, key, holder } = await twoProcesses(({ res }) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write(event({ jsonrpc: "2.0", method: "notifications/progress", params: {} }));
    });
    const response = await responseOf(post(url, key, call()));
    await once(response, "readable");
    holder.closeAllConnections();
    const told = (await text(response)).trim().split("\n").at(-1)!;
    expect(JSON.parse(told.replace(/^data: /, ""))).toMatchObject(gone);
  });
});

it("A holder that hangs keeps a request no longer than the request may take, and a stream that stands as long as it likes. [R:workers.holder-hangs]", async () => {
  const { url, key, holder, records } = await twoProcesses(() => {}, { windowMs: 90 });
  const standing: ServerResponse[] = [];
  holder.removeAllListeners("request").on("request", ({ method }, res) => {
    if (method !== "GET") return;
    standing.push(res.writeHead(200, { "content-type": "text/event-stream" }));
    res.write(":\n\n");
  });
  const req = request(url);
  const stands = responseOf(req);
  req.end();
  await once(await stands, "readable");
  const response = await responseOf(post(url, key, call()));
  expect(response.statusCode).toBe(504);
  expect(await body(response)).toMatchObject({ id: 1, error: { data: { boundary: "runtime" } } });
  await expect.poll(() => records).toMatchObject([{ http_status: 504, outcome: "timeout" }]);
  standing[0]!.end("data: {}\n\n");
  expect(await text(await stands)).toContain("data: {}");
});

it("A request that was handed over is not handed over again. [R:workers.hand-over-once]", async () => {
  const { url, key, world } = await twoProcesses(() => {}, { handedOver: true });
  const response = await responseOf(post(url, key, call()));
  expect(response.statusCode).toBe(410);
  expect(world.records).toEqual([]);
});

it("Nobody but another gateway process is believed whose request it passes on. [R:workers.hand-over-address]", async () => {
  const { world, url, direct, key } = await twoProcesses(({ res, message }) =>
    json(res, { jsonrpc: "2.0", id: message.id, result: answer }),
  );
  for (const address of [direct, url]) {
    const { headers, body: sent } = call();
    await text(
      await responseOf(
        post(address, key, { headers: { ...headers, "offing-client": "203.0.113.9" }, body: sent }),
      ),
    );
  }
  await world.record((record) => world.records.indexOf(record) === 1);
  expect(world.records.map((record) => record.ip)).toEqual(["127.0.0.1", "127.0.0.1"]);
});
