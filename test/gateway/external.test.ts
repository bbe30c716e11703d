import type { StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { describe, expect, test } from "vitest";
import { callText, mcpClient } from "../deploy.ts";
import { statelessOnly } from "../upstream/scripts.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { elsewhere, message, send } from "./external-scene.ts";
import { TestGateway } from "./harness.ts";
import { handshakeCall, keep } from "./scene.ts";
import { openSession, statelessCall } from "./scripted.ts";

describe("a handshake client at a server that runs elsewhere", () => {
  test("works in a session of the server's own, whose id it never sees [R:upstream.session]", async () => {
    const { server, world, key } = await elsewhere();
    const client = await mcpClient(world, "acme/s", key, "legacy");
    const shown = (client.transport as StreamableHTTPClientTransport).sessionId!;
    expect(await callText(client, "echo", { text: "a" })).toBe("a");
    const [own] = server.open;
    expect(shown).not.toContain(own);
    const [initialize] = server.of("initialize");
    expect(initialize!.headers).not.toHaveProperty("mcp-session-id");
    for (const seen of [...server.of("notifications/initialized"), ...server.of("tools/call")]) {
      expect(seen.headers).toMatchObject({ "mcp-session-id": own, "mcp-protocol-version": "2025-11-25" });
    }
    expect(server.of("notifications/initialized").length).toBe(1);
    await (client.transport as StreamableHTTPClientTransport).terminateSession();
    await expect.poll(() => server.open).toEqual([]);
    expect(server.seen.at(-1)).toMatchObject({ method: "DELETE", headers: { "mcp-session-id": own } });
    await client.close();
  });

  test("works where the server keeps no sessions", async () => {
    const { server, world, key } = await elsewhere({ sessions: false });
    const client = await mcpClient(world, "acme/s", key, "legacy");
    expect(await callText(client, "echo", { text: "b" })).toBe("b");
    for (const { headers } of server.seen) expect(headers).not.toHaveProperty("mcp-session-id");
    await (client.transport as StreamableHTTPClientTransport).terminateSession();
    expect(server.seen.map(({ method }) => method)).not.toContain("DELETE");
    await client.close();
  });

  test("does not notice that the server lost its session: it is opened anew in the client's words, and the call repeated [R:upstream.reinitialize] [R:sessions.end-upstream]", async () => {
    const { server, world, key } = await elsewhere();
    const client = await mcpClient(world, "acme/s", key, "legacy");
    const [before] = server.open;
    server.forget();
    expect(await callText(client, "echo", { text: "again" })).toBe("again");
    const [after] = server.open;
    expect(after).not.toBe(before);
    const [first, second] = server.of("initialize");
    expect(second!.message!.params).toEqual({
      protocolVersion: "2025-11-25",
      clientInfo: { name: "test", version: "1" },
      capabilities: first!.message!.params!["capabilities"],
    });
    const order = server.seen
      .filter(({ method }) => method === "POST")
      .slice(-4)
      .map(({ message: each, headers }) => [each?.method, headers["mcp-session-id"]]);
    expect(order).toEqual([
      ["tools/call", before],
      ["initialize", undefined],
      ["notifications/initialized", after],
      ["tools/call", after],
    ]);
    expect(await callText(client, "echo", { text: "more" })).toBe("more");
    expect(server.of("initialize").length).toBe(2);
    await (client.transport as StreamableHTTPClientTransport).terminateSession();
    await expect.poll(() => server.open).toEqual([]);
    expect(server.seen.at(-1)).toMatchObject({ method: "DELETE", headers: { "mcp-session-id": after } });
    await client.close();
  });

  test("is told once that a call which may not run twice was not answered, and its next call works [R:upstream.not-repeated]", async () => {
    const { server, world, url, key } = await elsewhere();
    const session = await openSession(url, key);
    expect(
      (await message(await send(url, key, handshakeCall(session, "bump")))).result!.content[0]!.text,
    ).toBe("1");
    server.forget();
    const lost = await send(url, key, handshakeCall(session, "bump"));
    expect(lost.status).toBe(502);
    const { error } = await message(lost);
    expect(error).toMatchObject({ data: { boundary: "upstream" } });
    expect(error!.message).toContain("lost its session");
    expect(server.bumps).toBe(1);
    expect(
      (await message(await send(url, key, handshakeCall(session, "bump")))).result!.content[0]!.text,
    ).toBe("2");
    const record = await world.record(({ http_status }) => http_status === 502);
    expect(record).toMatchObject({ boundary: "upstream", outcome: "upstream_gone", capability_name: "bump" });
  });

  test("shares one new session with all its calls that lost the old one, at every process [R:upstream.shared-session]", async () => {
    const { server, world, url, key } = await elsewhere();
    const session = await openSession(url, key);
    server.forget();
    const calls = await Promise.all(
      Array.from({ length: 8 }, (_, n) => send(url, key, handshakeCall(session, "echo", { text: `${n}` }))),
    );
    const texts = await Promise.all(
      calls.map(async (each) => (await message(each)).result!.content[0]!.text),
    );
    expect(texts).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
    expect(server.of("initialize").length).toBe(2);
    const [own] = server.open;
    // A process that knows only what was published.
    world.restart();
    await message(await send(url, key, handshakeCall(session, "echo", { text: "x" })));
    expect(server.of("initialize").length).toBe(2);
    expect(server.of("tools/call").at(-1)!.headers["mcp-session-id"]).toBe(own);
    expect(JSON.stringify([...world.published])).not.toContain(own);
  });

  test("initializes anew itself where the server came back with another revision", async () => {
    const { server, url, key } = await elsewhere();
    const session = await openSession(url, key);
    server.forget();
    server.instead = ({ message: each }) =>
      each?.method === "initialize"
        ? {
            status: 200,
            body: JSON.stringify({
              jsonrpc: "2.0",
              id: each.id,
              result: {
                protocolVersion: "2025-03-26",
                capabilities: {},
                serverInfo: { name: "older", version: "1" },
              },
            }),
          }
        : undefined;
    const answer = await send(url, key, handshakeCall(session, "echo", { text: "x" }));
    expect(answer.status).toBe(404);
    expect((await message(answer)).error!.message).toContain("Send `initialize` again");
  });

  test("of one person has a session that no other can use, and two people have two [R:upstream.own-session]", async () => {
    const { server, world, url, key } = await elsewhere();
    const other = world.key({ roles: { s: "user" } }).key;
    const [mine, theirs] = [await openSession(url, key), await openSession(url, other)];
    expect(new Set(server.open).size).toBe(2);
    const stolen = await send(url, other, handshakeCall(mine, "echo", { text: "x" }));
    expect(stolen.status).toBe(404);
    expect(server.of("tools/call")).toEqual([]);
    await message(await send(url, other, handshakeCall(theirs, "echo", { text: "x" })));
    expect(server.of("tools/call")[0]!.headers["mcp-session-id"]).toBe(server.open[1]);
  });

  test("is asked by the server on the stream of its own call", async () => {
    const { world, key } = await elsewhere();
    const client = await mcpClient(world, "acme/s", key, "legacy");
    await client.close();
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
    const sdk = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
    const { ElicitRequestSchema } = await import("@modelcontextprotocol/sdk/types.js");
    const asking = new Client({ name: "asked", version: "1" }, { capabilities: { elicitation: {} } });
    asking.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { which: "this" } }));
    const transport = new sdk.StreamableHTTPClientTransport(new URL(`${world.url}/acme/s/mcp`), {
      requestInit: { headers: { authorization: `Bearer ${key}` } },
    });
    await asking.connect(transport as never);
    const answer = (await asking.callTool({ name: "ask", arguments: {} })) as { content: { text: string }[] };
    expect(answer.content[0]!.text).toContain('"which":"this"');
    await asking.close();
  });
});

describe("what goes to a server that runs elsewhere", () => {
  test("holds no key, no cookie and no word of who calls [R:upstream.no-identity]", async () => {
    const { server, url, key, principal } = await elsewhere();
    const session = await openSession(url, key);
    const { headers, body } = handshakeCall(session, "echo", { text: "x" });
    await send(url, key, {
      body,
      headers: {
        ...headers,
        cookie: "offing=canary-cookie",
        "horizon-actor": "canary-actor",
        "offing-session": "canary-hello",
        "x-api-key": "canary-foreign",
      },
    }).then(message);
    server.instead = statelessOnly;
    await send(url, key, statelessCall("tools/call", { name: "echo", arguments: { text: "x" } })).then((r) =>
      r.text(),
    );
    expect(server.seen.length).toBeGreaterThan(2);
    const everything = JSON.stringify(server.seen.map(({ raw, message: each }) => ({ raw, each })));
    for (const secret of [key, session, principal.id, "canary", "Bearer"])
      expect(everything).not.toContain(secret);
    for (const { headers: given } of server.seen) {
      const ours = Object.keys(given).filter((name) =>
        /^(horizon|offing|cookie|authorization|x-api)/.test(name),
      );
      expect(ours).toEqual([]);
    }
  });

  test("in the stateless era carries the mirrored headers as they came, and no session [R:upstream.mirrored]", async () => {
    const server = keep(await SdkServer.start());
    server.instead = statelessOnly;
    const world = keep(await TestGateway.start());
    const url = world.publish("s", { address: server.url, external: true, eras: ["stateless"] });
    const { key } = world.key({ roles: { s: "user" } });
    const call = statelessCall("tools/call", { name: "new", arguments: {} });
    const encoded = `=?base64?${Buffer.from("Grüße").toString("base64")}?=`;
    await send(url, key, {
      ...call,
      headers: {
        ...call.headers,
        "mcp-param-Region": encoded,
        "mcp-param-unknown": "1",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        tracestate: "a=b",
        baggage: "c=d",
      },
    }).then((r) => r.text());
    const { headers, message: body } = server.seen[0]!;
    expect(headers).toMatchObject({
      "mcp-method": "tools/call",
      "mcp-name": "new",
      "mcp-protocol-version": "2026-07-28",
      "mcp-param-region": encoded,
      "mcp-param-unknown": "1",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      tracestate: "a=b",
      baggage: "c=d",
    });
    expect(headers).not.toHaveProperty("mcp-session-id");
    expect(body).toEqual(JSON.parse(call.body));
  });
});

describe("a server elsewhere that does not answer as it should", () => {
  test.each([
    [401, "wants credentials"],
    [403, "wants credentials"],
    [302, "redirect"],
    [307, "redirect"],
    [407, "behind a proxy"],
  ])(
    "with HTTP %i is named to the caller, and nothing of it is passed on or followed",
    async (status, words) => {
      const { server, url, key } = await elsewhere();
      const session = await openSession(url, key);
      const target = keep(await SdkServer.start());
      server.instead = () => ({
        status,
        body: "secret of the server",
        headers: { location: target.url, "www-authenticate": 'Bearer realm="theirs"' },
      });
      const answer = await send(url, key, handshakeCall(session, "echo", { text: "x" }));
      expect(answer.status).toBe(502);
      expect(answer.headers.get("www-authenticate")).toBeNull();
      expect(answer.headers.get("location")).toBeNull();
      const { error } = await message(answer);
      expect(error).toMatchObject({ data: { boundary: "upstream" } });
      expect(error!.message).toContain(words);
      expect(error!.message).toContain("elsewhere");
      expect(JSON.stringify(error)).not.toContain("secret");
      expect(target.seen).toEqual([]);
    },
  );

  test("because it is gone, is said to be so", async () => {
    const { server, url, key } = await elsewhere();
    const session = await openSession(url, key);
    await server[Symbol.asyncDispose]();
    const answer = await send(url, key, handshakeCall(session, "echo", { text: "x" }));
    expect(answer.status).toBe(502);
    expect((await message(answer)).error!.message).toContain("runs elsewhere, cannot be reached");
  });

  test("and says without end that the session is lost, is not waited for", async () => {
    const { server, url, key } = await elsewhere();
    const session = await openSession(url, key);
    server.instead = () => ({ status: 404, body: "x".repeat(200_000) });
    const answer = await send(url, key, handshakeCall(session, "echo", { text: "x" }));
    expect(answer.status).toBe(502);
    expect((await message(answer)).error!.message).toContain("does not end saying so");
    expect(server.of("initialize").length).toBe(1);
  });
});

describe("an answer that contradicts what was found of a server elsewhere", () => {
  test("in the stateless era makes it doubted [R:upstream.doubt]", async () => {
    const { server, world, key, manifest } = await elsewhere();
    const url = world.publish("s", { address: server.url, external: true, manifest, eras: ["stateless"] });
    // A handshake server that keeps sessions refuses what belongs to none: 400 with a code of its own.
    const answer = await send(
      url,
      key,
      statelessCall("tools/call", { name: "echo", arguments: { text: "x" } }),
    );
    expect(answer.status).toBe(400);
    expect(world.doubted).toEqual(["srv_acme_s"]);
  });

  test("in the handshake era makes it doubted", async () => {
    const { server, world, url, key } = await elsewhere();
    const session = await openSession(url, key);
    server.instead = statelessOnly;
    await send(url, key, handshakeCall(session, "echo", { text: "x" })).then(message);
    expect(world.doubted).toEqual(["srv_acme_s"]);
  });

  test("makes it doubted where it lost a session and opens no other", async () => {
    const { server, world, url, key } = await elsewhere();
    const session = await openSession(url, key);
    server.instead = (seen) =>
      seen.message?.method === "tools/call" ? { status: 404 } : statelessOnly(seen);
    const answer = await send(url, key, handshakeCall(session, "echo", { text: "x" }));
    expect(answer.status).toBe(502);
    expect(world.doubted).toEqual(["srv_acme_s"]);
  });

  test.each([
    [{ status: 401 }],
    [{ status: 503 }],
    [{ status: 400, body: '{"jsonrpc":"2.0","id":7,"error":{"code":-32021,"message":"capability"}}' }],
    [{ status: 400, body: '{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"params"}}' }],
    [{ status: 404, body: '{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"gone"}}' }],
    [{ status: 200, body: '{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"gone"}}' }],
  ])("is none that a stateless server may give: %j [R:upstream.no-evidence]", async (given) => {
    const { server, world, key, manifest } = await elsewhere();
    const url = world.publish("s", { address: server.url, external: true, manifest, eras: ["stateless"] });
    server.instead = () => given;
    await send(url, key, statelessCall("tools/call", { name: "echo", arguments: { text: "x" } })).then((r) =>
      r.text(),
    );
    expect(world.doubted).toEqual([]);
  });
});
