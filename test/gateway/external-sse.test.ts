import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Era } from "../../src/mcp/eras.ts";
import { callText, type Mode } from "../deploy.ts";
import { send } from "./asked.ts";
import { read } from "./external-scene.ts";
import { TestGateway } from "./harness.ts";
import { twoProcesses } from "./processes.ts";
import { get, Reading } from "./reading.ts";
import { keep } from "./scene.ts";
import { openSession } from "./scripted.ts";
import { SseServer } from "./sse-server.ts";
import { connect, methods } from "./telling.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 });

const stateless: Mode = { pin: "2026-07-28" };
const modes = [
  ["handshake", "legacy"],
  ["stateless", stateless],
] satisfies [Era, Mode][];

/** A client that a person and a model stand behind. */
async function clientOf(
  url: string,
  key: string,
  mode: Mode,
  reach: (to: string | URL, init?: RequestInit) => Promise<Response> = fetch,
): Promise<Client> {
  const client = new Client(
    { name: "person", version: "1" },
    { capabilities: { elicitation: {}, sampling: {} }, versionNegotiation: { mode } },
  );
  client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { value: "Ada" } }));
  client.setRequestHandler("sampling/createMessage", () => ({
    role: "assistant",
    model: "m",
    content: { type: "text", text: "deep" },
  }));
  const headers = { Authorization: `Bearer ${key}` };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers }, fetch: reach }),
  );
  return client;
}

/** A gateway with such a server behind it. */
async function behind(server: SseServer, limits: { requestsPerPrincipal?: number } = {}) {
  const world = await TestGateway.start(limits);
  const manifest = await read(server.url);
  const url = world.publish("older", { address: server.url, external: true, manifest });
  return { world, manifest, url, key: world.key({ roles: { older: "user" } }).key };
}

describe.each(modes)("A %s client at a server elsewhere that speaks only HTTP+SSE", (era, mode) => {
  let server: SseServer;
  let at: Awaited<ReturnType<typeof behind>>;
  let client: Client;
  beforeAll(async () => {
    server = await SseServer.start();
    at = await behind(server);
    client = await clientOf(at.url, at.key, mode);
  });
  afterAll(async () => {
    await client?.close();
    await at?.world[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  test("calls its tools, gets its prompts and reads its resources. [R:upstream.sse]", async () => {
    expect(at.manifest).toMatchObject({ transport: "sse", eras: ["handshake"], instructions: "Be kind." });
    expect(await callText(client, "add", { a: 1, b: 2 })).toBe("3");
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain("add");
    const { messages } = await client.getPrompt({ name: "greet", arguments: { who: "Ada" } });
    expect(messages[0]!.content).toMatchObject({ text: "Greet Ada" });
    const { contents } = await client.readResource({ uri: "note://one" });
    expect(contents[0]).toMatchObject({ text: "one" });
  });

  test("is told of a call's progress. [R:upstream.sse-progress]", async () => {
    const told: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void told.push(progress);
    const result = await client.callTool({ name: "work", arguments: { steps: 3 } }, { onprogress });
    expect(result.content).toMatchObject([{ text: "did 3" }]);
    expect(told).toEqual([1, 2, 3]);
  });

  test("has its person and its model asked by a tool. [R:upstream.sse-asks]", async () => {
    expect(await callText(client, "elicits")).toBe("Ada");
    expect(await callText(client, "samples")).toBe("deep");
  });

  test("has each of several calls at once answered with its own answer. [R:upstream.sse-together]", async () => {
    const names = ["a", "b", "c", "d"];
    const calls = names.map((name) => callText(client, "together", { name, parties: names.length }));
    expect(await Promise.all(calls)).toEqual(names);
  });

  test("has its person asked by a tool while another call is under way. [R:upstream.sse-asks-beside]", async () => {
    const stop = new AbortController();
    const held = client.callTool({ name: "hold", arguments: {} }, { signal: stop.signal });
    held.catch(() => {});
    await server.said("held");
    const asked = await Promise.all([callText(client, "elicits"), callText(client, "elicits")]);
    expect(asked).toEqual(["Ada", "Ada"]);
    stop.abort("enough");
    await expect(held).rejects.toThrow("enough");
    await server.said("cancelled");
  });

  test("is told of a change of its lists. [R:upstream.sse-lists]", async () => {
    const { client: listener, inbox } = await connect(at.url, at.key, era);
    if (era === "stateless") await listener.listen({ toolsListChanged: true });
    expect(await callText(client, "grow")).toBe("grew");
    await inbox.of(methods.tools);
    expect((await listener.listTools()).tools.map(({ name }) => name)).toContain("grow");
    await listener.close();
  });

  test("ends a call there that it cancels. [R:upstream.sse-cancel]", async () => {
    const stop = new AbortController();
    const call = client.callTool({ name: "hold", arguments: {} }, { signal: stop.signal });
    call.catch(() => {});
    await server.said("held", 2);
    stop.abort("enough");
    await expect(call).rejects.toThrow("enough");
    await server.said("cancelled", 2);
    expect(await callText(client, "add", { a: 2, b: 2 })).toBe("4");
  });
});

describe.each(modes)("A %s client whose server elsewhere speaks only HTTP+SSE", (_, mode) => {
  test("is told once, in words, that its call was broken off, where the stream breaks. [R:upstream.sse-breaks]", async () => {
    const server = keep(await SseServer.start());
    const { world, url, key } = await behind(server);
    keep(world);
    const client = await clientOf(url, key, mode);
    const call = client.callTool({ name: "hold", arguments: {} });
    call.catch(() => {});
    await server.said("held");
    await server.kill();
    await expect(call).rejects.toThrow(/broke off its answer; the request may have taken effect/);
    const record = await world.record(({ method }) => method === "tools/call");
    expect(record).toMatchObject({ boundary: "upstream", outcome: "upstream_gone" });
    await client.close();
  });
});

test("Several calls at once of stateless clients who can be asked nothing have each the log messages of their own call alone. [R:upstream.sse-logs-own]", async () => {
  const server = keep(await SseServer.start());
  const { world, url, key } = await behind(server);
  keep(world);
  const call = async (name: string, meta: Record<string, unknown>) => {
    const given = { name: "logs", arguments: { name, parties: 3 }, capabilities: {}, meta };
    const { messages, result } = await (await send(url, key, given)).answer;
    expect(result.content).toMatchObject([{ text: name }]);
    return messages
      .filter(({ method }) => method === "notifications/message")
      .map(({ params }) => params.data);
  };
  const wanted = { "io.modelcontextprotocol/logLevel": "info" };
  const logs = await Promise.all([call("a", wanted), call("b", wanted), call("c", {})]);
  expect(logs).toMatchObject([[{ msg: "a" }], [{ msg: "b" }], []]);
});

/** Two gateway processes, to which a client's requests go in turn. */
async function inTurn(limits: { requestsPerPrincipal?: number } = {}) {
  const server = keep(await SseServer.start());
  const { world, url, key } = await behind(server, limits);
  keep(world);
  const { addresses, a, b } = await twoProcesses(world, url);
  let turn = 0;
  const fetchInTurn = (_: string | URL, init?: RequestInit) => fetch((turn++ % 2 === 0 ? a : b).url, init);
  return { url, key, fetch: fetchInTurn, addresses, a, b };
}

test("A session over HTTP+SSE is one at every gateway process, and what its server asks is answered by way of any. [R:upstream.sse-holder]", async () => {
  const { url, key, fetch: fetchInTurn } = await inTurn();
  const client = await clientOf(url, key, "legacy", fetchInTurn);
  expect(await callText(client, "keep", { value: "x" })).toBe("kept");
  for (let i = 0; i < 3; i++) expect(await callText(client, "kept")).toBe("x");
  for (let i = 0; i < 3; i++) expect(await callText(client, "elicits")).toBe("Ada");
  await client.close();
});

test("A session over HTTP+SSE whose process is gone is opened anew, and its next call is answered. [R:upstream.sse-reopened]", async () => {
  const { url, key, fetch: fetchInTurn, addresses } = await inTurn();
  const client = await clientOf(url, key, "legacy", fetchInTurn);
  expect(await callText(client, "keep", { value: "x" })).toBe("kept");
  // As other processes see it.
  addresses.clear();
  const kept = [await callText(client, "kept"), await callText(client, "kept")];
  expect(kept).toContain("None");
  await client.close();
});

test("A standing stream that is handed to its session's process is counted where it came in, and as a stream. [R:upstream.sse-counted]", async () => {
  const { key, a, b } = await inTurn({ requestsPerPrincipal: 1 });
  const session = await openSession(a.url, key);
  const standing = keep(await Reading.of(get(b.url, key, { "mcp-session-id": session })));
  expect(standing.status).toBe(200);
  const ping = await fetch(b.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${key}`,
      "mcp-session-id": session,
      "mcp-protocol-version": "2025-11-25",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
  });
  expect(ping.status).toBe(200);
});
