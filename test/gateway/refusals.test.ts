import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { json, openSession, ScriptedUpstream, statelessCall } from "./scripted.ts";
import { call, send, type Sent, upstream, url, user, withoutId, world } from "./sending.ts";

describe("Without a key that is ours,", () => {
  test("an existing and an absent path answer alike, with a challenge and what to do.", async () => {
    const there = await send({ ...call() });
    const absent = await send({ ...call(), path: "/acme/nothing/mcp" });
    const elsewhere = await send({ ...call(), path: "/nobody/nothing/at/all" });
    expect(there.status).toBe(401);
    expect(there.headers["www-authenticate"]).toBe('Bearer realm="Offing"');
    expect(there.text).toContain("Authorization: Bearer <key>");
    for (const other of [absent, elsewhere]) {
      expect([other.status, other.headers, withoutId(other.text)]).toEqual([
        there.status,
        there.headers,
        withoutId(there.text),
      ]);
    }
    expect(there.record).toMatchObject({ boundary: "authentication", http_status: 401, principal: null });
  });

  test("an unknown key is an invalid token.", async () => {
    const answer = await send({ ...call(), key: "off_unknown" });
    expect(answer.status).toBe(401);
    expect(answer.headers["www-authenticate"]).toContain('error="invalid_token"');
    expect(answer.headers["www-authenticate"]).toContain("error_description=");
  });

  test("a key that was good a moment ago is refused once it is revoked.", async () => {
    const { key } = world.key({ roles: { s: "user" } });
    expect((await send({ ...call(), key })).status).toBe(200);
    world.revoke(key);
    expect((await send({ ...call(), key })).status).toBe(401);
  });

  test("a key in another place does not count.", async () => {
    const { headers, body } = call();
    for (const extra of [
      { cookie: `key=${user}` },
      { "x-api-key": user },
      { authorization: `Basic ${user}` },
    ]) {
      expect((await send({ headers: { ...headers, ...extra } as Record<string, string>, body })).status).toBe(
        401,
      );
    }
    expect((await send({ ...call(), path: `/acme/s/mcp?key=${user}` })).status).toBe(401);
  });
});

describe("What is not there and what the caller may not know of answer with the very same bytes:", () => {
  test.each([
    ["an absent server", "/acme/nothing/mcp", undefined],
    ["an absent organization", "/nobody/s/mcp", undefined],
    ["an absent deployment", "/acme/s@preview/mcp", undefined],
    ["another path below a server", "/acme/s/other", undefined],
    ["a server without a role", "/acme/s/mcp", {}],
    ["a server of another organization", "/rival/s/mcp", undefined],
  ])("%s.", async (_, path, roles) => {
    const key = roles === undefined ? user : world.key({ roles }).key;
    const expected = await send({ ...call(), path: "/acme/certainly-not-there/mcp", key: user });
    const answer = await send({ ...call(), path, key });
    expect(answer.status).toBe(404);
    expect([answer.headers, answer.text]).toEqual([expected.headers, expected.text]);
    expect(answer.record).toMatchObject({ boundary: "routing", http_status: 404 });
  });

  test("A record of another organization's endpoint does not say whose key it was.", async () => {
    const { record } = await send({ ...call(), path: "/rival/s/mcp", key: user });
    expect(record).toMatchObject({ organization: "org_rival", principal: null, key: null, decision: "deny" });
  });
});

test("Who may see but not call lists the tools, and is told at a call what would have sufficed.", async () => {
  const { key, principal } = world.key({ roles: { s: "viewer" } });
  expect((await send({ ...statelessCall("tools/list"), key })).status).toBe(200);
  const answer = await send({ ...call(), key });
  expect(answer.status).toBe(403);
  expect(JSON.parse(answer.text)).toMatchObject({
    id: 7,
    error: { code: -31403, data: { boundary: "authorization", needed: 'the server role "user"' } },
  });
  expect(answer.record).toMatchObject({
    decision: "deny",
    boundary: "authorization",
    principal: principal.id,
    capability_name: "t",
  });
});

test("Who may see but not call completes the handshake and takes back what was asked, and no other note of a session goes on. [R:guards.notes-judged]", async () => {
  const { key, principal } = world.key({ roles: { s: "viewer" } });
  const headers = { "mcp-session-id": await openSession(url, key) };
  const from = upstream.received.length;
  const post = (message: object) =>
    send({ key, headers, body: JSON.stringify({ jsonrpc: "2.0", ...message }) });
  const passes = ["notifications/initialized", "notifications/cancelled"];
  for (const method of passes) expect((await post({ method, params: { requestId: 1 } })).status).toBe(202);
  for (const message of [
    { id: "ask-1", result: { action: "accept" } },
    { id: "ask-1", error: { code: -1, message: "no" } },
    { method: "notifications/progress", params: { progressToken: 1, progress: 1 } },
    { method: "notifications/roots/list_changed" },
    { method: "notifications/of/its/own" },
  ]) {
    const answer = await post(message);
    expect([answer.status, JSON.parse(answer.text).error.data.needed]).toEqual([
      403,
      'the server role "user"',
    ]);
    expect(answer.record).toMatchObject({ decision: "deny", principal: principal.id });
  }
  expect(upstream.received.slice(from).map(({ message }) => message.method)).toEqual(passes);
});

describe("The envelope of a stateless request is refused when", () => {
  const good = call();
  const parts = (change: (meta: Record<string, unknown>) => void) => {
    const body = JSON.parse(good.body);
    change(body.params._meta);
    return JSON.stringify(body);
  };
  const without = (name: string) => {
    const { [name]: _, ...headers } = good.headers;
    return headers;
  };
  const version = "io.modelcontextprotocol/protocolVersion";
  test.each<[string, Sent, number, number]>([
    ["a header is missing", { ...good, headers: without("mcp-method") }, 400, -32020],
    ["the name is missing", { ...good, headers: without("mcp-name") }, 400, -32020],
    ["the version header is missing", { ...good, headers: without("mcp-protocol-version") }, 400, -32020],
    [
      "the method differs",
      { ...good, headers: { ...good.headers, "mcp-method": "tools/list" } },
      400,
      -32020,
    ],
    ["the name differs", { ...good, headers: { ...good.headers, "mcp-name": "u" } }, 400, -32020],
    [
      "the encoded name differs",
      { ...good, headers: { ...good.headers, "mcp-name": "=?base64?dQ==?=" } },
      400,
      -32020,
    ],
    [
      "capabilities are missing",
      { ...good, body: parts((meta) => delete meta["io.modelcontextprotocol/clientCapabilities"]) },
      400,
      -32602,
    ],
    ["the version is missing", { ...good, body: parts((meta) => delete meta[version]) }, 400, -32602],
    [
      "the version is unknown",
      {
        headers: { ...good.headers, "mcp-protocol-version": "2031-01-01" },
        body: parts((meta) => (meta[version] = "2031-01-01")),
      },
      400,
      -32022,
    ],
    ["the version differs", { ...good, body: parts((meta) => (meta[version] = "2031-01-01")) }, 400, -32020],
    ["a subscription of the handshake era is asked for", statelessCall("resources/subscribe"), 404, -32601],
    ["the method is unknown", statelessCall("tools/destroy"), 404, -32601],
    ["the method is gone", statelessCall("ping"), 404, -32601],
    ["initialize is asked statelessly", statelessCall("initialize"), 404, -32601],
  ])("%s. [R:stateless-client.envelope]", async (_, given, status, code) => {
    const answer = await send({ ...given, key: user });
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([status, code]);
    expect(JSON.parse(answer.text)).toMatchObject({ id: 7, error: { data: { boundary: "protocol" } } });
    expect(answer.record).toMatchObject({ boundary: "protocol", jsonrpc_code: code, era: "stateless" });
  });

  test("An unsupported version is answered with the supported ones. [R:stateless-client.unsupported-version]", async () => {
    const answer = await send({
      headers: { ...good.headers, "mcp-protocol-version": "2031-01-01" },
      body: parts((meta) => (meta[version] = "2031-01-01")),
      key: user,
    });
    expect(JSON.parse(answer.text).error.data).toMatchObject({
      supported: ["2026-07-28"],
      requested: "2031-01-01",
    });
  });

  test("A name in base64 that agrees is accepted. [R:stateless-client.name-encoded]", async () => {
    const answer = await send({
      ...good,
      headers: { ...good.headers, "mcp-name": "=?base64?dA==?=" },
      key: user,
    });
    expect(answer.status).toBe(200);
  });
});

describe("A body is refused when", () => {
  test.each<[string, string, number, number]>([
    ["it is no JSON", "{", 400, -32700],
    ["it is no object", "7", 400, -32600],
    ["it is not JSON-RPC 2.0", '{"id":1,"method":"ping"}', 400, -32600],
    ["its id is an object", '{"jsonrpc":"2.0","id":{},"method":"ping"}', 400, -32600],
    ["it is a batch", "[]", 400, -32600],
    [
      "a key that is judged by occurs twice",
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"seen","name":"hidden"}}',
      400,
      -32600,
    ],
    [
      "it nests too deep",
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${"[".repeat(200)}${"]".repeat(200)}}}`,
      400,
      -32600,
    ],
  ])("%s.", async (_, body, status, code) => {
    const answer = await send({ body, key: user });
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([status, code]);
    expect(answer.record.boundary).toBe("protocol");
  });

  test("it is larger than the limit, announced or not.", async () => {
    const big = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping", params: { a: "x".repeat(100_000) } });
    const announced = await send({ body: big, key: user });
    expect(announced.status).toBe(413);
    expect(announced.record.boundary).toBe("limit");
    const chunked = await send({ body: big, key: user, headers: { "transfer-encoding": "chunked" } });
    expect(chunked.status).toBe(413);
  });

  test("it is not sent as JSON.", async () => {
    expect((await send({ ...call(), headers: { "content-type": "text/plain" }, key: user })).status).toBe(
      415,
    );
  });

  test("it does not arrive in time.", async () => {
    const { hostname, port } = new URL(world.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /acme/s/mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer ${user}\r\ncontent-length: 50\r\n\r\n{`,
    );
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(text).toContain('"boundary":"limit"');
  });
});

test("A page of another site, and a host name that is not ours, are refused.", async () => {
  expect(
    (await send({ ...call(), key: user, headers: { ...call().headers, origin: "https://evil.example" } }))
      .status,
  ).toBe(403);
  expect(
    (await send({ ...call(), key: user, headers: { ...call().headers, host: "evil.example" } })).status,
  ).toBe(403);
  expect(
    (await send({ ...call(), key: user, headers: { ...call().headers, origin: "http://localhost:6274" } }))
      .status,
  ).toBe(200);
});

test("A method that is not served is 405 and names what is allowed.", async () => {
  const answer = await send({ method: "PUT", key: user });
  expect(answer.status).toBe(405);
  expect(answer.headers["allow"]).toBe("POST, GET, DELETE");
});

test.each(["GET", "DELETE"])(
  "%s is 405 where the request names the stateless revision, in which everything is posted. [R:stateless-client.posts-only]",
  async (method) => {
    const answer = await send({ method, key: user, headers: { "mcp-protocol-version": "2026-07-28" } });
    expect(answer.status).toBe(405);
    expect(answer.headers["allow"]).toBe("POST");
    expect(JSON.parse(answer.text).error.data.boundary).toBe("protocol");
    const older = await send({ method, key: user, headers: { accept: "text/event-stream" } });
    expect(older.status).toBe(400);
  },
);

test("What a server announces and the gateway does not carry is not announced, in either era.", async () => {
  const announced = {
    tools: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    logging: {},
    tasks: { list: {} },
    extensions: { "io.modelcontextprotocol/tasks": {}, "com.example/own": { a: 1 } },
  };
  await using speaking = await ScriptedUpstream.start(({ res, message }) => {
    const result = {
      protocolVersion: "2025-11-25",
      supportedVersions: ["2026-07-28"],
      resultType: "complete",
      serverInfo: { name: "s", version: "1" },
      capabilities: announced,
      instructions: "Be kind.",
    };
    json(res, { jsonrpc: "2.0", id: message.id, result });
  });
  world.publish("speaking", { address: speaking.address });
  const { key } = world.key({ roles: { speaking: "user" } });
  const path = "/acme/speaking/mcp";
  const discovered = await send({ ...statelessCall("server/discover"), key, path });
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "c", version: "1" } };
  const initialized = await send({
    key,
    path,
    body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }),
  });
  const own = { "com.example/own": { a: 1 } };
  for (const { text, extensions } of [
    { text: discovered.text, extensions: { ...own, "io.modelcontextprotocol/tasks": {} } },
    { text: initialized.text, extensions: own },
  ]) {
    expect(JSON.parse(text).result).toMatchObject({ instructions: "Be kind." });
    expect(JSON.parse(text).result.capabilities).toEqual({
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      logging: {},
      extensions,
    });
  }
});

test("No key reaches an upstream, and nothing that a client claims to be does.", async () => {
  const { key, principal } = world.key({ roles: { s: "user" }, email: "jürgen@example.com" });
  const session = await openSession(url, key);
  const spoofed = {
    cookie: `offing=${key}`,
    "horizon-actor": "admin",
    "offing-request-id": "req_forged",
    "horizon-server-roles": "admin",
    "proxy-authorization": `Bearer ${key}`,
    "x-forwarded-for": key,
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  };
  const from = upstream.received.length;
  const given = call();
  const answer = await send({ ...given, key, headers: { ...given.headers, ...spoofed } });
  await send({
    key,
    headers: { ...spoofed, "mcp-session-id": session },
    body: JSON.stringify({ jsonrpc: "2.0", id: 3, method: "tools/call", params: { name: "t" } }),
  });
  const seen = upstream.received.slice(from);
  expect(seen.length).toBe(2);
  for (const { req, text } of seen) {
    const whole = JSON.stringify(req.rawHeaders) + text;
    expect(whole).not.toContain(key);
    expect(whole).not.toContain(session);
    expect(req.headers).not.toHaveProperty("authorization");
    expect(req.headers).not.toHaveProperty("cookie");
    expect(req.headers).toMatchObject({
      "horizon-actor": principal.id,
      "horizon-actor-type": "user",
      "horizon-actor-email": "j%C3%BCrgen@example.com",
      "horizon-user-role": "member",
      "horizon-server-roles": "user",
      traceparent: spoofed.traceparent,
    });
  }
  expect(seen[0]!.req.headers["offing-request-id"]).toBe(answer.record.id);
  expect(answer.record.trace).toBe("0af7651916cd43dd8448eb211c80319c");
  expect(JSON.stringify(world.records)).not.toContain(key);
});
