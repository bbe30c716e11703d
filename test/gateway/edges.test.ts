import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { readMessage } from "../../src/mcp/envelope.ts";
import { emptyManifest } from "./harness.ts";
import { deferred, event, keep, post, responseOf, result, scene, text } from "./scene.ts";
import { json, openSession, ScriptedUpstream, statelessCall } from "./scripted.ts";
import { call, send, upstream, url, user, world } from "./sending.ts";

test("A call without an id is refused, so that no role is gone round by a notification.", async () => {
  const { key } = world.key({ roles: { s: "viewer" } });
  const session = await openSession(url, key);
  const from = upstream.received.length;
  const answer = await send({
    key,
    headers: { "mcp-session-id": session },
    body: '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"t"}}',
  });
  expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([400, -32600]);
  expect(upstream.received.length).toBe(from);
});

test("A cancellation of a handshake client reaches the session of its request.", async () => {
  const session = await openSession(url, user);
  const headers = { "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" };
  const from = upstream.received.length;
  await send({
    key: user,
    headers,
    body: '{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t"}}',
  });
  const note =
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a","reason":"no"}}';
  expect((await send({ key: user, headers, body: note })).status).toBe(202);
  const [called, cancelled] = upstream.received.slice(from);
  expect(cancelled!.text).toBe(note);
  expect(cancelled!.req.headers["mcp-session-id"]).toBe(called!.req.headers["mcp-session-id"]);
});

test.each([0, -1, "", "0", "ü"])(
  "The id %j comes back as it was, in an answer and in a refusal.",
  async (id) => {
    const body = JSON.parse(call().body);
    const stateless = await send({ ...call(), body: JSON.stringify({ ...body, id }), key: user });
    expect(JSON.parse(stateless.text).id).toBe(id);
    const refused = await send({
      ...call(),
      body: JSON.stringify({ ...body, id, method: "no/such" }),
      key: user,
    });
    expect(JSON.parse(refused.text).id).toBe(id);
  },
);

test("A body that is not UTF-8 is refused, since readers differ in what it says.", async () => {
  const body = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"?"}}');
  body[body.indexOf("?")] = 0xff;
  expect(readMessage(body, 10)).toMatchObject({ kind: "invalid", code: "parse" });
});

test("A compressed body is 415, and says so.", async () => {
  const answer = await send({
    ...call(),
    headers: { ...call().headers, "content-encoding": "gzip" },
    key: user,
  });
  expect([answer.status, answer.headers["accept-encoding"]]).toEqual([415, "identity"]);
});

test("A body in chunks, after Expect: 100-continue, is served.", async () => {
  const { hostname, port } = new URL(world.url);
  const { headers, body } = call();
  const socket = connect(Number(port), hostname);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(
    `POST /acme/s/mcp?a=b HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${user}\r\n${lines.join("")}expect: 100-continue\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n`,
  );
  const [first] = (await once(socket, "data")) as [Buffer];
  expect(first.toString()).toMatch(/^HTTP\/1\.1 100 /);
  socket.write(`1\r\n{\r\n${(body.length - 1).toString(16)}\r\n${body.slice(1)}\r\n0\r\n\r\n`);
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 /);
});

test("Requests pipelined on one connection are answered in order, with one record each.", async () => {
  const { hostname, port } = new URL(world.url);
  const session = await openSession(url, user);
  const before = world.records.length;
  const socket = connect(Number(port), hostname);
  const one = (id: number, last: boolean) => {
    const body = `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;
    return `POST /acme/s/mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${user}\r\nmcp-session-id: ${session}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n${last ? "connection: close\r\n" : ""}\r\n${body}`;
  };
  socket.write(one(1, false) + one(2, false) + one(3, true));
  const answered = await text(socket);
  expect([...answered.matchAll(/"id":(\d)/g)].map((match) => match[1])).toEqual(["1", "2", "3"]);
  const own = world.records.slice(before).filter((record) => record.method === "ping");
  expect(own.map((record) => record.outcome)).toEqual(["complete", "complete", "complete"]);
});

test("A refused GET keeps its connection, and the answer to DELETE has no length.", async () => {
  const { hostname, port } = new URL(world.url);
  const session = await openSession(url, user);
  const socket = connect(Number(port), hostname);
  const head = `host: localhost\r\nauthorization: Bearer ${user}\r\n`;
  socket.write(`GET /acme/s/mcp HTTP/1.1\r\n${head}\r\n`);
  const [refused] = (await once(socket, "data")) as [Buffer];
  expect(refused.toString()).toMatch(/^HTTP\/1\.1 406 /);
  expect(refused.toString()).not.toMatch(/connection: close/i);
  socket.write(
    `DELETE /acme/s/mcp HTTP/1.1\r\n${head}mcp-session-id: ${session}\r\nconnection: close\r\n\r\n`,
  );
  const ended = await text(socket);
  expect(ended).toMatch(/^HTTP\/1\.1 204 /);
  expect(ended).not.toMatch(/content-length/i);
});

test.each(["//acme/s/mcp", "/acme%2fs/mcp", "/acme/S/mcp", "http://localhost/acme/s/mcp"])(
  "The path %s is none of the gateway's.",
  (path) => {
    expect(world.gateway.matches(path)).toBe(false);
  },
);

test.each(["/acme/s/mcp/", "/acme/s/mcp%2f", "/acme/s//mcp", "/acme/s/MCP"])(
  "The path %s is not the endpoint.",
  async (path) => {
    expect((await send({ ...call(), path, key: user })).status).toBe(404);
  },
);

describe("Of an upstream's answer", () => {
  test.each<[string, number, Record<string, string>, string]>([
    ["a compressed one", 200, { "content-type": "application/json", "content-encoding": "gzip" }, "{}"],
    ["none at all", 202, {}, ""],
    ["an event stream that is an error", 500, { "content-type": "text/event-stream" }, event(result)],
    ["a redirection", 307, { location: "/elsewhere" }, ""],
    ["a web page", 500, { "content-type": "text/html" }, "<h1>no</h1>"],
  ])("%s becomes a clear 502.", async (_, status, headers, body) => {
    const scripted = await scene(({ res }) => void res.writeHead(status, headers).end(body));
    const response = await responseOf(post(scripted.url, scripted.key, call()));
    expect(response.statusCode).toBe(502);
    expect(JSON.parse(await text(response))).toMatchObject({
      id: 7,
      error: { data: { boundary: "upstream" } },
    });
    const record = await scripted.world.record((each) => each.method === "tools/call");
    expect([record.http_status, record.boundary]).toEqual([502, "upstream"]);
  });

  test("an event that only primes, comments, retry and CRLF do not disturb a translation.", async () => {
    const python = keep(
      await ScriptedUpstream.start(({ res }) => {
        res.writeHead(200, { "content-type": "text/event-stream" });
        const answer = JSON.stringify({ ...result, result: { content: [{ type: "text", text: "€" }] } });
        const bytes = Buffer.from(
          `: hi\r\n\r\nid: 1\r\nretry: 5\r\ndata:\r\n\r\nid: 2\r\ndata: ${answer}\r\n\r\n`,
        );
        const cut = bytes.indexOf("€") + 1;
        res.write(bytes.subarray(0, cut));
        setImmediate(() => res.end(bytes.subarray(cut)));
      }),
    );
    const path = "/acme/primed/mcp";
    world.publish("primed", { address: python.address, manifest: { ...emptyManifest, eras: ["handshake"] } });
    const { key } = world.key({ roles: { primed: "user" } });
    const answer = await send({ ...statelessCall("tools/call", { name: "t" }), path, key });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ id: 7, result: { content: [{ text: "€" }] } });
  });
});

test("A client that closes its connection after the whole answer is recorded as complete.", async () => {
  const scripted = await scene(({ res }) => json(res, { ...result, big: "x".repeat(3_000_000) }));
  const req = post(scripted.url, scripted.key, call());
  const response = await responseOf(req);
  let size = 0;
  const length = Number(response.headers["content-length"]);
  for await (const chunk of response) if ((size += chunk.length) === length) req.destroy();
  const record = await scripted.world.record((each) => each.method === "tools/call");
  expect(record.outcome).toBe("complete");
});

test("A gateway that closes has written the record of what it cut off.", async () => {
  const arrived = deferred();
  const scripted = await scene(() => arrived.resolve());
  post(scripted.url, scripted.key, call());
  await arrived.promise;
  await scripted.world.gateway.close();
  expect(scripted.world.records.map((record) => record.method)).toEqual(["tools/call"]);
});

test("A lease with an address that cannot be dialled is given back.", async () => {
  world.publish("odd", { address: "carrier-pigeon:7" });
  const { key } = world.key({ roles: { odd: "user" } });
  expect((await send({ ...call(), path: "/acme/odd/mcp", key })).status).toBe(503);
  expect(world.released.get("srv_acme_odd")).toBe(1);
});
