import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, test } from "vitest";
import { callText, mcpClient, type Mode } from "../deploy.ts";
import { statelessOnly } from "../upstream/scripts.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { elsewhere, message, read, send } from "./external-scene.ts";
import { frameworks, pythonOf, TestGateway } from "./harness.ts";
import { handshakeCall, keep } from "./scene.ts";
import { openSession, statelessCall } from "./scripted.ts";

const stateless = { pin: "2026-07-28" } as const;
const capabilities = "io.modelcontextprotocol/clientCapabilities";
const trace = {
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  tracestate: "a=b",
  baggage: "c=d",
};

describe("a stateless client at a handshake server that runs elsewhere", () => {
  test("shares with the other calls of its principal one session that the gateway holds, and ends at its close [R:upstream.held]", async () => {
    const { server, world, key } = await elsewhere();
    const [one, two] = [
      await mcpClient(world, "acme/s", key, stateless),
      await mcpClient(world, "acme/s", key, stateless),
    ];
    const texts = await Promise.all(
      [one, two].flatMap((client) => ["a", "b"].map((text) => callText(client, "echo", { text }))),
    );
    expect(texts).toEqual(["a", "b", "a", "b"]);
    expect(server.of("initialize").length).toBe(1);
    const [own] = server.open;
    const calls = server.of("tools/call");
    expect(calls.map(({ headers }) => headers["mcp-session-id"])).toEqual(Array(4).fill(own));
    // Within one session two calls need two ids, whatever their clients chose.
    expect(new Set(calls.map((call) => call.message!.id)).size).toBe(4);
    await one.close();
    await two.close();
    await world.gateway.close();
    expect(server.open).toEqual([]);
  });

  test("has a session that no other principal's calls go into", async () => {
    const { server, world, url, key } = await elsewhere();
    const other = world.key({ roles: { s: "user" } }).key;
    const call = statelessCall("tools/call", { name: "echo", arguments: { text: "x" } });
    for (const each of [key, other, key]) await send(url, each, call).then(message);
    const sessions = server.of("tools/call").map(({ headers }) => headers["mcp-session-id"]);
    expect(sessions[0]).toBe(sessions[2]);
    expect(sessions[0]).not.toBe(sessions[1]);
  });

  test("does not notice that the server lost the session, save by a call that may not run twice [R:upstream.held-lost]", async () => {
    const { server, url, key } = await elsewhere();
    const call = (name: string, args = {}) =>
      send(url, key, statelessCall("tools/call", { name, arguments: args })).then(message);
    expect((await call("echo", { text: "1" })).result!.content[0]!.text).toBe("1");
    server.forget();
    const texts = await Promise.all(["2", "3", "4"].map((text) => call("echo", { text })));
    expect(texts.map(({ result }) => result!.content[0]!.text)).toEqual(["2", "3", "4"]);
    expect(server.of("initialize").length).toBe(2);
    server.forget();
    const { error } = await call("bump");
    expect(error!.message).toContain("lost its session");
    expect(server.bumps).toBe(0);
    expect((await call("bump")).result!.content[0]!.text).toBe("1");
    expect(server.of("initialize").length).toBe(3);
  });

  test("holds a bounded number of sessions, whatever capabilities its clients declare [R:upstream.held-bound]", async () => {
    const { server, url, key } = await elsewhere();
    const modes = [{}, { form: {} }, { url: {} }, { form: {}, url: {} }];
    const uses = [{}, { tools: {} }, { context: {} }, { tools: {}, context: {} }];
    const declared = modes.flatMap((elicitation) =>
      uses.flatMap((sampling) => [
        { elicitation, sampling },
        { elicitation, sampling, roots: {} },
      ]),
    );
    const declaring = (n: number) =>
      send(
        url,
        key,
        statelessCall(
          "tools/call",
          { name: "echo", arguments: { text: "x" } },
          { [capabilities]: declared[n]! },
        ),
      );
    const statuses = [];
    for (let n = 0; n < 20; n++) statuses.push((await declaring(n)).status);
    expect(statuses).toEqual([...Array(16).fill(200), ...Array(4).fill(429)]);
    expect(server.open.length).toBe(16);
    expect((await declaring(0)).status).toBe(200);
  });

  test("has its trace told in the call's own words too [R:upstream.trace]", async () => {
    const { server, url, key } = await elsewhere();
    const call = statelessCall("tools/call", { name: "echo", arguments: { text: "x" } });
    await send(url, key, { ...call, headers: { ...call.headers, ...trace } }).then(message);
    const [seen] = server.of("tools/call");
    expect(seen!.headers).toMatchObject(trace);
    expect(seen!.message!.params!["_meta"]).toMatchObject(trace);
  });

  test("is told why where the server refuses its session", async () => {
    const { server, url, key } = await elsewhere();
    server.instead = () => ({ status: 401 });
    const call = statelessCall("tools/call", { name: "echo", arguments: { text: "x" } });
    const answer = await send(url, key, call);
    expect(answer.status).toBe(502);
    expect((await message(answer)).error!.message).toContain("wants credentials");
  });
});

describe("a handshake client at a stateless server that runs elsewhere", () => {
  test("works, and the server sees no session and no word of who calls", async () => {
    const server = keep(await SdkServer.start());
    server.instead = statelessOnly;
    const world = keep(await TestGateway.start());
    const manifest = await read(server.url);
    expect(manifest.eras).toEqual(["stateless"]);
    server.seen.length = 0;
    const url = world.publish("s", { address: server.url, external: true, manifest });
    const { key, principal } = world.key({ roles: { s: "user" } });
    const session = await openSession(url, key);
    const call = handshakeCall(session, "new");
    const { result } = await send(url, key, { ...call, headers: { ...call.headers, ...trace } }).then(
      message,
    );
    expect(result!.content[0]!.text).toBe("stateless");
    const [seen] = server.of("tools/call");
    expect(seen!.headers).toMatchObject({ ...trace, "mcp-method": "tools/call", "mcp-name": "new" });
    expect(seen!.message!.params!["_meta"]).toMatchObject(trace);
    const everything = JSON.stringify(server.seen.map(({ raw, message: each }) => ({ raw, each })));
    for (const secret of [key, session, principal.id, "mcp-session-id", "horizon", "offing-"]) {
      expect(everything.toLowerCase()).not.toContain(secret.toLowerCase());
    }
  });
});

describe("a server elsewhere that speaks both eras", () => {
  test.each(["legacy", stateless] satisfies Mode[])(
    "is spoken to in the client's own: %j [R:upstream.own-era]",
    async (mode) => {
      const kind = frameworks.find(({ name }) => name === "FastMCP 4")!;
      const child = spawn(await pythonOf(kind), [join(import.meta.dirname, "server.py"), "tcp"], {
        env: { ...process.env, FRAMEWORK: kind.framework },
        stdio: ["ignore", "pipe", "ignore"],
      });
      keep({
        async [Symbol.asyncDispose]() {
          child.kill("SIGKILL");
          if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
        },
      });
      const [line] = (await once(createInterface(child.stdout), "line")) as [string];
      const address = `http://127.0.0.1:${line.split(" ")[1]}/mcp`;
      const manifest = await read(address);
      expect([...manifest.eras].sort()).toEqual(["handshake", "stateless"]);
      const world = keep(await TestGateway.start());
      world.publish("s", { address, external: true, manifest });
      const { key, principal } = world.key({ roles: { s: "user" } });
      const client = await mcpClient(world, "acme/s", key, mode);
      expect(await callText(client, "add", { a: 1, b: 2 })).toBe("3");
      const headers = JSON.parse(await callText(client, "headers")) as Record<string, string>;
      expect(headers["mcp-protocol-version"]).toBe(mode === "legacy" ? "2025-11-25" : "2026-07-28");
      expect(headers["mcp-method"]).toBe(mode === "legacy" ? undefined : "tools/call");
      expect(JSON.stringify(headers)).not.toContain(key);
      expect(JSON.stringify(headers)).not.toContain(principal.id);
      expect(
        Object.keys(headers).filter((name) => /^(horizon|offing|authorization|cookie)/.test(name)),
      ).toEqual([]);
      await client.close();
    },
  );
});
