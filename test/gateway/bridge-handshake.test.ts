import { describe, expect, test } from "vitest";
import type { Capability } from "../../src/mcp/manifest.ts";
import { complete, content, declared, Session } from "./asked.ts";
import { upstreamOf } from "./asking.ts";
import { responseOf, text } from "./scene.ts";

describe("A session at a stateless server", () => {
  test("is opened from what the server was found to be, without asking it. [R:bridges.initialize]", async () => {
    const place = await upstreamOf("stateless", { manifest: { instructions: "Be kind." } });
    const session = await Session.open(place);
    expect(session.result).toMatchObject({
      protocolVersion: "2025-11-25",
      serverInfo: { name: "scripted", version: "1" },
      instructions: "Be kind.",
      capabilities: { tools: {}, prompts: {}, resources: {}, logging: {} },
    });
    expect(session.id).toMatch(/^[\x21-\x7e]+$/);
    expect(await session.note({ method: "notifications/initialized" })).toEqual({ status: 202, body: "" });
    expect(await (await session.call({}, 1, "ping")).stream.next()).toEqual({
      jsonrpc: "2.0",
      id: 1,
      result: {},
    });
    expect(place.upstream.received).toEqual([]);
    const unknown = await Session.open(place, {}, "1999-01-01");
    expect(unknown.result["protocolVersion"]).toBe("2025-11-25");
  });

  test("has its requests sent with the envelope and the headers of the stateless era. [R:bridges.envelope]", async () => {
    const tool: Capability = {
      kind: "tool",
      name: "t",
      hash: "",
      definition: {
        name: "t",
        inputSchema: {
          type: "object",
          properties: { region: { type: "string", "x-mcp-header": "Region" }, other: { type: "string" } },
        },
      },
    };
    const place = await upstreamOf("stateless", { items: [tool] });
    const session = await Session.open(place, {
      ...declared,
      extensions: { "io.modelcontextprotocol/tasks": {}, "x.y/z": {} },
    });
    const { stream } = await session.call({
      arguments: { region: "Zürich", other: "o" },
      _meta: { progressToken: 3, own: 1 },
    });
    const call = await place.arrives();
    expect(call.headers).toMatchObject({
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "t",
      "mcp-param-region": "=?base64?WsO8cmljaA==?=",
    });
    expect(call.headers).not.toHaveProperty("offing-session");
    expect(call.message["params"]).toEqual({
      name: "t",
      arguments: { region: "Zürich", other: "o" },
      _meta: {
        progressToken: 3,
        own: 1,
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {
          elicitation: { form: {}, url: {} },
          sampling: { tools: {} },
          roots: {},
          extensions: { "x.y/z": {} },
        },
        "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
        "io.modelcontextprotocol/logLevel": "info",
      },
    });
    call.answer({
      ...complete,
      ttlMs: 5,
      cacheScope: "public",
      _meta: { "io.modelcontextprotocol/serverInfo": { name: "x", version: "1" }, kept: true },
    });
    expect(await stream.next()).toEqual({
      jsonrpc: "2.0",
      id: 7,
      result: { content, _meta: { kept: true } },
    });
  });

  test("gets lists word by word, without what only the stateless era knows. [R:bridges.schemas-verbatim]", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call({ cursor: "" }, "l", "tools/list");
    const call = await place.arrives();
    expect(call.message["params"].cursor).toBe("");
    const tools = [
      {
        name: "t",
        inputSchema: { $ref: "https://x.example/s", $defs: { a: {} } },
        execution: { x: 1 },
        newer: true,
      },
    ];
    // Its annotation is invalid: no client may call it over HTTP.
    const wrong = {
      name: "wrong",
      inputSchema: { type: "object", properties: { a: { type: "number", "x-mcp-header": "A" } } },
    };
    call.answer({ resultType: "complete", tools: [...tools, wrong], ttlMs: 1, cacheScope: "public" });
    expect(await stream.next()).toEqual({ jsonrpc: "2.0", id: "l", result: { tools } });
  });

  test("gets progress under its own token, and log messages from its level on. [R:bridges.log-level]", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const level = await session.call({ level: "error" }, 1, "logging/setLevel");
    expect(await level.stream.next()).toMatchObject({ result: {} });
    const { stream } = await session.call({ _meta: { progressToken: "p" } });
    const call = await place.arrives();
    expect(call.message["params"]._meta["io.modelcontextprotocol/logLevel"]).toBe("error");
    const progress = { method: "notifications/progress", params: { progressToken: "p", progress: 1 } };
    const loud = { method: "notifications/message", params: { level: "error", data: "loud" } };
    call.say(progress, { method: "notifications/message", params: { level: "info", data: "quiet" } }, loud);
    call.answer(complete);
    expect([await stream.next(), await stream.next(), await stream.next()]).toEqual([
      { jsonrpc: "2.0", ...progress },
      { jsonrpc: "2.0", ...loud },
      { jsonrpc: "2.0", id: 7, result: { content } },
    ]);
  });

  test("keeps every digit of a number, both ways.", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const req = session.post(
      {},
      '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"n":12345678901234567890}}}',
    );
    const call = await place.arrives();
    expect(call.received.text).toContain('"n":12345678901234567890');
    call.res.writeHead(200, { "content-type": "application/json" });
    call.res.end(
      `{"jsonrpc":"2.0","id":"x","result":{"resultType":"complete","content":[],"structuredContent":{"n":98765432109876543210}}}`,
    );
    expect(await text(await responseOf(req))).toContain('"n":98765432109876543210');
  });

  test.each([
    [
      "-32602 for a resource as -32002",
      "resources/read",
      { code: -32602, message: "gone" },
      { code: -32002, message: "gone" },
    ],
    [
      "-32602 for a tool as it is",
      "tools/call",
      { code: -32602, message: "bad" },
      { code: -32602, message: "bad" },
    ],
    [
      "-32021 in words",
      "tools/call",
      { code: -32021, message: "no", data: { requiredCapabilities: { sampling: {} } } },
      { code: -32600, message: expect.stringContaining("did not declare in `initialize`: sampling") },
    ],
  ])("gets %s. [R:bridges.errors]", async (_, method, error, expected) => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call({ uri: "note://x" }, 7, method);
    (await place.arrives()).fail(error);
    expect(await stream.next()).toMatchObject({ id: 7, error: expected });
  });

  test("gets an error for a result of a kind that its revision does not know.", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call();
    (await place.arrives()).answer({ resultType: "task", taskId: "1" });
    expect(await stream.next()).toMatchObject({
      error: { message: expect.stringContaining('"task"'), data: { boundary: "upstream" } },
    });
  });

  test("can be ended like any other, and what was under way in it is ended too.", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    await session.call();
    const call = await place.arrives();
    const gone = await fetch(place.url, {
      method: "DELETE",
      headers: { authorization: `Bearer ${place.key}`, "mcp-session-id": session.id },
    });
    expect(gone.status).toBe(204);
    await call.closed();
    const after = await session.call({}, 8);
    expect((await after.response).statusCode).toBe(404);
  });
});
