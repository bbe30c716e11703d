import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { frameworks, PythonServer, pythonOf, TestGateway } from "./harness.ts";

type Called = { content: { type: string; text?: string }[]; isError?: boolean };
interface Connected {
  call(name: string, args: Record<string, unknown>): Promise<Called>;
  tools(): Promise<string[]>;
  close(): Promise<void>;
}

function bearer(key: string) {
  return { requestInit: { headers: { Authorization: `Bearer ${key}` } } };
}

async function sdk1(url: string, key: string): Promise<Connected> {
  const client = new Client1({ name: "sdk-1", version: "1" });
  // The SDK's transport type is not written for exactOptionalPropertyTypes.
  await client.connect(new Transport1(new URL(url), bearer(key)) as Parameters<Client1["connect"]>[0]);
  return {
    call: async (name, args) => (await client.callTool({ name, arguments: args })) as Called,
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    close: () => client.close(),
  };
}

function sdk2(mode: "legacy" | "auto" | { pin: string }) {
  return async (url: string, key: string): Promise<Connected> => {
    const client = new Client2({ name: "sdk-2", version: "1" }, { versionNegotiation: { mode } });
    await client.connect(new Transport2(new URL(url), bearer(key)));
    return {
      call: async (name, args) => (await client.callTool({ name, arguments: args })) as Called,
      tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
      close: () => client.close(),
    };
  };
}

const clients = [
  { name: "the TypeScript SDK 1.x", connect: sdk1, era: "handshake" },
  { name: "the TypeScript SDK 2.x pinned to the handshake", connect: sdk2("legacy"), era: "handshake" },
  {
    name: "the TypeScript SDK 2.x pinned to 2026-07-28",
    connect: sdk2({ pin: "2026-07-28" }),
    era: "stateless",
  },
  { name: "the TypeScript SDK 2.x choosing by itself", connect: sdk2("auto"), era: "stateless" },
] as const;

describe.each(frameworks)("a server on $name", (kind) => {
  let world: TestGateway;
  let python: PythonServer;
  let url: string;
  beforeAll(async () => {
    world = await TestGateway.start();
    python = await PythonServer.start(kind);
    url = world.publish("fixture", { address: python.address, manifest: python.manifest });
  }, 180_000);
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await python?.[Symbol.asyncDispose]();
  });

  test("is discovered with its eras and every capability", () => {
    expect(python.manifest.eras).toEqual(kind.eras);
    const names = python.manifest.items.map((item) => `${item.kind} ${item.name}`);
    expect(names).toEqual(
      expect.arrayContaining([
        "tool add",
        "prompt greet",
        "resource note://one",
        "resource_template note://{name}/by-name",
      ]),
    );
    expect(python.manifest.instructions).toBe("Be kind.");
  });

  test.each(clients)("is listed and called by $name", async ({ connect, era }) => {
    const { key } = world.key({ roles: { fixture: "user" } });
    const before = world.records.length;
    const client = await connect(url, key);
    expect(await client.tools()).toContain("add");
    const sum = await client.call("add", { a: 2, b: 3 });
    expect(sum.content[0]).toMatchObject({ type: "text", text: "5" });
    expect((await client.call("fail", {})).isError).toBe(true);
    expect((await client.call("count", { to: 3 })).content[0]!.text).toBe("counted to 3");
    await client.close();
    await world.record((r) => world.records.indexOf(r) >= before && r.capability_name === "count");
    const calls = world.records.slice(before).filter((r) => r.method === "tools/call");
    expect(calls.map((r) => [r.era, r.capability_name, r.http_status, r.is_error, r.decision])).toEqual([
      [era, "add", 200, false, "allow"],
      [era, "fail", 200, true, "allow"],
      [era, "count", 200, false, "allow"],
    ]);
    for (const call of calls) expect(call.capability_hash).toMatch(/^[0-9a-f]{64}$/);
  });

  test.runIf(kind.framework === "fastmcp")(
    "keeps in a handshake session what one call set, for the next, and for no other session",
    async () => {
      const { key } = world.key({ roles: { fixture: "user" } });
      const [one, other] = await Promise.all([sdk1(url, key), sdk1(url, key)]);
      await one.call("remember", { value: "blue" });
      expect((await one.call("recall", {})).content[0]!.text).toBe("blue");
      expect((await other.call("recall", {})).content[0]!.text).toBe("None");
      await Promise.all([one.close(), other.close()]);
    },
  );

  test.runIf(kind.framework === "fastmcp")("is called by FastMCP's own Python client", async () => {
    const { key } = world.key({ roles: { fixture: "user" } });
    const { stdout } = await promisify(execFile)(await pythonOf(kind), [
      join(import.meta.dirname, "client.py"),
      url,
      key,
    ]);
    expect(JSON.parse(stdout)).toEqual({ tools: true, sum: 5, prompt: "Greet you", note: "one" });
  });
});
