import { once } from "node:events";
import { connect as dial } from "node:net";
import { expect, test, vi } from "vitest";
import { shareOf } from "../../src/gateway/admission/tally.ts";
import { listen } from "../../src/main/listen.ts";
import { TestGateway } from "./harness.ts";
import { listenRequest, RawStream, standing, until } from "./raw-stream.ts";
import { deferred, keep, text } from "./scene.ts";
import {
  json,
  openSession,
  type Received,
  ScriptedUpstream,
  statelessCall,
  wellBehaved,
} from "./scripted.ts";

vi.setConfig({ testTimeout: 60_000 });

async function scene(
  limits: Parameters<typeof TestGateway.start>[0] = {},
  script: (received: Received) => void | Promise<void> = wellBehaved,
) {
  const upstream = keep(await ScriptedUpstream.start(script));
  const world = keep(await TestGateway.start(limits));
  const url = world.publish("s", { address: upstream.address });
  const { key } = world.key({ roles: { s: "user" } });
  const call = (who = key, body?: string) => {
    const given = statelessCall("tools/call", { name: "t", arguments: {} });
    return fetch(url, {
      method: "POST",
      headers: { ...given.headers, authorization: `Bearer ${who}` },
      body: body ?? given.body,
    });
  };
  return { upstream, world, url, key, call };
}

interface Refused {
  readonly error: { readonly message: string; readonly data: { readonly boundary: string } };
}

test("A caller has so many requests under way at a time; one more is told to wait, others are not. [R:guards.requests-most]", async () => {
  const release = deferred();
  const { world, call, upstream } = await scene({ requestsPerPrincipal: 2 }, async ({ res, message }) => {
    await release.promise;
    json(res, { jsonrpc: "2.0", id: message.id, result: { resultType: "complete", content: [] } });
  });
  const held = [call(), call()];
  await until(() => upstream.received.length === 2);
  const refused = await call();
  expect(refused.status).toBe(429);
  expect(refused.headers.get("retry-after")).toBe("1");
  const { error } = (await refused.json()) as Refused;
  expect(error.message).toContain("2 requests under way");
  expect(error.data.boundary).toBe("limit");
  const other = call(world.key({ roles: { s: "user" } }).key);
  await until(() => upstream.received.length === 3);
  release.resolve();
  for (const each of [...held, other]) expect((await each).status).toBe(200);
  await until(async () => (await call()).status === 200);
});

test("Of several gateway processes each admits its share of what one caller may have, and says so. [R:guards.shares]", async () => {
  const release = deferred();
  const { call, upstream } = await scene(
    { requestsPerPrincipal: 20, processes: 2 },
    async ({ res, message }) => {
      await release.promise;
      json(res, { jsonrpc: "2.0", id: message.id, result: { resultType: "complete", content: [] } });
    },
  );
  const held = Array.from({ length: 10 }, () => call());
  await until(() => upstream.received.length === 10);
  const refused = await call();
  expect(refused.status).toBe(429);
  const { error } = (await refused.json()) as Refused;
  expect(error.message).toContain("10 requests under way at one of 2 gateway processes");
  expect(error.message).toContain("its share of the 20");
  release.resolve();
  for (const each of held) expect((await each).status).toBe(200);
  // A share is at least eight, where the limit is not less: few connections spread unevenly.
  expect([shareOf(64, 32), shareOf(4, 32), shareOf(64, 5), shareOf(64, 1)]).toEqual([8, 4, 13, 64]);
});

test("A caller has so many standing streams, of whatever kind; they are not counted as requests. [R:guards.streams-most]", async () => {
  const { url, key, call } = await scene({ streamsPerPrincipal: 2, requestsPerPrincipal: 1 });
  const session = await openSession(url, key);
  const listening = keep(await RawStream.open(url, key, listenRequest({ toolsListChanged: true })));
  await listening.first(1);
  keep(await RawStream.open(url, key, standing(session)));
  expect((await call()).status).toBe(200);
  const { headers, body } = listenRequest({ toolsListChanged: true });
  const more = () =>
    fetch(url, { method: "POST", headers: { ...headers, authorization: `Bearer ${key}` }, body });
  const refused = await more();
  expect(refused.status).toBe(429);
  expect(refused.headers.get("retry-after")).toBe("10");
  expect(((await refused.json()) as Refused).error.message).toContain("2 standing streams");
  await listening[Symbol.asyncDispose]();
  await until(async () => {
    const response = await more();
    await response.body?.cancel();
    return response.status === 200;
  });
});

test("A body that is too large is 413, one that comes too slowly 408, and the connection ends. [R:guards.body]", async () => {
  const { url, key, call } = await scene({ bodyBytes: 1000, bodyTimeoutMs: 60 });
  const large = await call(key, `{"a":"${"x".repeat(2000)}"}`);
  expect(large.status).toBe(413);
  expect(((await large.json()) as Refused).error.message).toContain("1000 bytes");
  const { hostname, port, pathname } = new URL(url);
  const socket = dial(Number(port), hostname);
  socket.write(
    `POST ${pathname} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{`,
  );
  const answer = await text(socket);
  expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  expect(answer).toContain('"boundary":"limit"');
});

test("JSON that nests too deeply is refused, and names the limit. [R:guards.depth]", async () => {
  const { call, key } = await scene({ jsonDepth: 16 });
  const response = await call(
    key,
    `{"jsonrpc":"2.0","id":1,"method":"x","params":${'{"a":'.repeat(20)}1${"}".repeat(20)}}`,
  );
  expect(response.status).toBe(400);
  expect(((await response.json()) as Refused).error.message).toContain("16 levels");
});

test("Headers that are too large are 431, as JSON, on a listener of the program's own. [R:guards.headers]", async () => {
  const { server, port } = await listen(
    { matches: () => true, gateway: (_, res) => void res.end(), rest: (_, res) => void res.end() },
    { host: "127.0.0.1", port: 0 },
  );
  try {
    const socket = dial(port, "127.0.0.1");
    socket.write(`GET / HTTP/1.1\r\nhost: localhost\r\nx-large: ${"x".repeat(40_000)}\r\n\r\n`);
    const [head, body] = (await text(socket)).split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 431 /);
    expect(head).toContain("application/json");
    expect(JSON.parse(body!)).toMatchObject({
      jsonrpc: "2.0",
      id: null,
      error: { data: { boundary: "limit" } },
    });
    const broken = dial(port, "127.0.0.1");
    broken.write("NOT HTTP\r\n\r\n");
    expect(await text(broken)).toMatch(/^HTTP\/1\.1 400 /);
  } finally {
    server.close();
    await once(server, "close");
  }
});

test("While it stops, what is under way ends as it should, and what is new is told to come again. [R:guards.drain]", async () => {
  const release = deferred();
  const { world, url, key, call, upstream } = await scene({ drainMs: 5_000 }, async ({ res, message }) => {
    await release.promise;
    json(res, { jsonrpc: "2.0", id: message.id, result: { resultType: "complete", content: [] } });
  });
  const held = call();
  await until(() => upstream.received.length === 1);
  const listening = keep(await RawStream.open(url, key, listenRequest({ toolsListChanged: true })));
  await listening.first(1);
  const closed = world.gateway.close();
  const refused = await call();
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("2");
  expect(refused.headers.get("connection")).toBe("close");
  await listening.until(({ ended }) => ended);
  expect(listening.messages.at(-1)!.result).toBeDefined();
  release.resolve();
  expect((await held).status).toBe(200);
  await closed;
});

test("A local address is served under local names only, which is how pages that were led here are told apart. [R:guards.rebinding]", async () => {
  const { url, key } = await scene();
  const { hostname, port, pathname } = new URL(url);
  const ask = async (host: string, origin?: string) => {
    const given = statelessCall("tools/list");
    const socket = dial(Number(port), hostname);
    const headers = { ...given.headers, host, authorization: `Bearer ${key}`, connection: "close" };
    const lines = Object.entries({ ...headers, ...(origin === undefined ? {} : { origin }) });
    socket.write(
      [
        `POST ${pathname} HTTP/1.1`,
        ...lines.map(([name, value]) => `${name}: ${value}`),
        `content-length: ${Buffer.byteLength(given.body)}`,
        "",
        given.body,
      ].join("\r\n"),
    );
    return Number((await text(socket)).slice(9, 12));
  };
  expect(await ask(`localhost:${port}`)).toBe(200);
  expect(await ask(`127.0.0.1:${port}`)).toBe(200);
  expect(await ask("evil.example")).toBe(403);
  expect(await ask(`localhost:${port}`, "http://evil.example")).toBe(403);
  expect(await ask("evil.example", `http://localhost:${port}`)).toBe(403);
});
