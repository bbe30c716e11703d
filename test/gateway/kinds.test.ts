import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CreateMessageRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createLocalRunner, type LocalRunner } from "../../src/runner/local.ts";
import type { Target } from "../../src/runner/runner.ts";
import { discover } from "../../src/upstream/discover.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { bwrap, environment, python } from "../fixtures/environments.ts";
import { TestGateway } from "./harness.ts";
import { kinds } from "./kinds.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

type Called = { content: { type: string; text?: string }[]; isError?: boolean };
interface Connected extends AsyncDisposable {
  tools(): Promise<string[]>;
  call(name: string, args?: Record<string, unknown>, onprogress?: (at: number) => void): Promise<Called>;
}

function bearer(key: string) {
  return { requestInit: { headers: { Authorization: `Bearer ${key}` } } };
}

async function handshakeClient(url: string, key: string): Promise<Connected> {
  const client = new Client1({ name: "sdk-1", version: "1" }, { capabilities: { sampling: {} } });
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    role: "assistant",
    model: "a person",
    content: { type: "text", text: "the client's words" },
  }));
  const transport = new Transport1(new URL(url), bearer(key));
  // The SDK's transport type is not written for exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<Client1["connect"]>[0]);
  return {
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: async (name, args = {}, onprogress) => {
      const options = onprogress && {
        onprogress: ({ progress }: { progress: number }) => onprogress(progress),
      };
      return (await client.callTool({ name, arguments: args }, undefined, options)) as Called;
    },
    async [Symbol.asyncDispose]() {
      await transport.terminateSession();
      await client.close();
    },
  };
}

async function statelessClient(url: string, key: string): Promise<Connected> {
  const client = new Client2(
    { name: "sdk-2", version: "1" },
    { versionNegotiation: { mode: { pin: "2026-07-28" } } },
  );
  await client.connect(new Transport2(new URL(url), bearer(key)));
  return {
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: async (name, args = {}, onprogress) => {
      const options = onprogress && {
        onprogress: ({ progress }: { progress: number }) => onprogress(progress),
      };
      return (await client.callTool({ name, arguments: args }, options)) as Called;
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

const clients = [
  { era: "handshake", name: "a handshake client (TypeScript SDK 1)", connect: handshakeClient },
  { era: "stateless", name: "a stateless client (TypeScript SDK 2)", connect: statelessClient },
] as const;

describe.each(kinds)("$name", (kind) => {
  let world: TestGateway;
  let runner: LocalRunner;
  let folder: string;
  let url: string;
  const target: Target = {
    organization: "org_acme",
    server: "srv_acme_fixture",
    artifact: "a".repeat(64),
    scope: "production",
    variables: null,
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "offing-kind-"));
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, "main.py"), kind.source);
    const located = {
      code: folder,
      environment: await environment(kind.requirements),
      entrypoint: "main.py",
      object: null,
      pythonPath: [],
      variables: {},
    };
    runner = await createLocalRunner({
      python,
      bwrap,
      artifacts: { locate: async () => located },
      lines: { write: () => {} },
    });
    world = await TestGateway.start();
    const lease = await runner.acquire(target);
    expect(lease.description).toMatch(kind.description);
    const pools = createPools();
    const manifest = await discover(pools.at(lease.address));
    await pools.close();
    lease.release();
    expect(manifest.eras).toEqual(kind.eras);
    url = world.publish("fixture", { manifest, address: () => runner.acquire(target) });
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await runner.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const key = () => world.key({ roles: { fixture: "user" } }).key;
  const textOf = (called: Called): string => called.content[0]?.text ?? "";

  test("asks a handshake client while its call lasts", async () => {
    await using client = await handshakeClient(url, key());
    expect(textOf(await client.call("ask"))).toContain("the client's words");
    // And the same from an instance that has not seen the client's handshake.
    await runner.retire(target);
    expect(textOf(await client.call("ask"))).toContain("the client's words");
  });

  test.runIf(!kind.eras.includes("stateless"))(
    "asks a stateless client while its call waits for it",
    async () => {
      const client = new Client2(
        { name: "sdk-2", version: "1" },
        { capabilities: { sampling: {} }, versionNegotiation: { mode: { pin: "2026-07-28" } } },
      );
      client.setRequestHandler("sampling/createMessage", () => ({
        role: "assistant",
        model: "a person",
        content: { type: "text", text: "the client's words" },
      }));
      await client.connect(new Transport2(new URL(url), bearer(key())));
      expect(textOf((await client.callTool({ name: "ask", arguments: {} })) as Called)).toContain(
        "the client's words",
      );
      expect(textOf((await client.callTool({ name: "add", arguments: { a: 2, b: 3 } })) as Called)).toBe("5");
      await client.close();
    },
  );

  test("takes all the arguments that the gateway lets through", async () => {
    await using client = await handshakeClient(url, key());
    const text = "x".repeat(5 * 1024 * 1024);
    expect(textOf(await client.call("echo", { text }))).toBe(text);
  });

  describe.each(clients)("and $name", ({ era, connect }) => {
    test("list its tools", async () => {
      await using client = await connect(url, key());
      expect(await client.tools()).toEqual(
        expect.arrayContaining(["add", "echo", "big", "fail", "count", "remember", "recall"]),
      );
    });

    test("call", async () => {
      await using client = await connect(url, key());
      expect(textOf(await client.call("add", { a: 2, b: 3 }))).toBe("5");
    });

    test("tell an error of a tool as its result", async () => {
      await using client = await connect(url, key());
      const failed = await client.call("fail");
      expect(failed.isError).toBe(true);
      // MCPServer keeps the words of an exception to itself.
      expect(textOf(failed)).toMatch(kind.name === "MCPServer" ? /fail/ : /it failed/);
    });

    test("tell progress while a call lasts", async () => {
      await using client = await connect(url, key());
      const told: number[] = [];
      expect(textOf(await client.call("count", { to: 3 }, (at) => told.push(at)))).toBe("counted to 3");
      expect(told).toHaveLength(3);
      expect(told).toEqual(told.toSorted((a, b) => a - b));
    });

    test("pass unicode unchanged", async () => {
      await using client = await connect(url, key());
      const text = 'ünï ☃ 😀 \u2028 "\\ \u0000 日本語';
      expect(textOf(await client.call("echo", { text }))).toBe(text);
    });

    test("pass a result of a megabyte", async () => {
      await using client = await connect(url, key());
      expect(textOf(await client.call("big"))).toBe("x".repeat(1_000_000));
    });

    test("keep state over two calls as far as the era has sessions", async () => {
      await using client = await connect(url, key());
      await using other = await connect(url, key());
      await client.call("remember", { value: "blue" });
      const shared = era === "handshake" || kind.stateOf === "process";
      expect(textOf(await client.call("recall"))).toBe(shared ? "blue" : "None");
      // What the process of all stateless calls holds belongs to nobody; a session's belongs to it.
      const seen = era === "stateless" && kind.stateOf === "process" ? "blue" : "None";
      expect(textOf(await other.call("recall"))).toBe(seen);
    });

    test("go on after the instance was replaced between two calls", async () => {
      await using client = await connect(url, key());
      await client.call("remember", { value: "blue" });
      await runner.retire(target);
      expect(textOf(await client.call("recall"))).toBe("None");
      await client.call("remember", { value: "red" });
      expect(textOf(await client.call("recall"))).toMatch(era === "handshake" ? /^red$/ : /^(red|None)$/);
    });
  });
});
