import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ResourceUpdatedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Manifest } from "../../src/mcp/manifest.ts";
import { createLocalRunner, type LocalRunner } from "../../src/runner/local.ts";
import type { Target } from "../../src/runner/runner.ts";
import { discover } from "../../src/upstream/discover.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { bwrap, environment, python } from "../fixtures/environments.ts";
import { TestGateway } from "./harness.ts";
import { dualServer, eraServers } from "./matrix.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

type Called = { content: { type: string; text?: string }[]; isError?: boolean };
interface Connected extends AsyncDisposable {
  call(
    name: string,
    args?: Record<string, unknown>,
    options?: { onprogress?: (at: number) => void; signal?: AbortSignal },
  ): Promise<Called>;
  /** Resolves once updates of the resource are told; `updated` then settles with the next one. */
  subscribe(uri: string): Promise<{ updated: Promise<string>; end(): Promise<void> }>;
}

const information = { name: "matrix", version: "1" };
const capabilities = { elicitation: {}, sampling: {}, roots: {} };
const answers = {
  elicitation: { action: "accept" as const, content: { name: "Ada", value: "Ada" } },
  sampling: {
    role: "assistant" as const,
    model: "a person",
    content: { type: "text" as const, text: "deep" },
  },
  roots: { roots: [{ uri: "file:///home/ada" }] },
};

function bearer(key: string) {
  return { requestInit: { headers: { Authorization: `Bearer ${key}` } } };
}

async function handshakeClient(url: string, key: string): Promise<Connected> {
  const client = new Client1(information, { capabilities });
  client.setRequestHandler(ElicitRequestSchema, () => answers.elicitation);
  client.setRequestHandler(CreateMessageRequestSchema, () => answers.sampling);
  client.setRequestHandler(ListRootsRequestSchema, () => answers.roots);
  const { promise: updated, resolve } = Promise.withResolvers<string>();
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => resolve(params.uri));
  const transport = new Transport1(new URL(url), bearer(key));
  await client.connect(transport as Parameters<Client1["connect"]>[0]);
  return {
    call: async (name, args = {}, { onprogress, signal } = {}) =>
      (await client.callTool({ name, arguments: args }, undefined, {
        ...(onprogress && { onprogress: ({ progress }: { progress: number }) => onprogress(progress) }),
        ...(signal && { signal }),
      })) as Called,
    async subscribe(uri) {
      await client.subscribeResource({ uri });
      return { updated, end: async () => void (await client.unsubscribeResource({ uri })) };
    },
    async [Symbol.asyncDispose]() {
      await transport.terminateSession();
      await client.close();
    },
  };
}

async function statelessClient(
  url: string,
  key: string,
  beforeAnswering: () => Promise<void> = async () => {},
): Promise<Connected> {
  const client = new Client2(information, {
    capabilities,
    versionNegotiation: { mode: { pin: "2026-07-28" } },
  });
  client.setRequestHandler("elicitation/create", async () => {
    await beforeAnswering();
    return answers.elicitation;
  });
  client.setRequestHandler("sampling/createMessage", () => answers.sampling);
  client.setRequestHandler("roots/list", () => answers.roots);
  const { promise: updated, resolve } = Promise.withResolvers<string>();
  client.setNotificationHandler("notifications/resources/updated", ({ params }) => resolve(params.uri));
  await client.connect(new Transport2(new URL(url), bearer(key)));
  return {
    call: async (name, args = {}, { onprogress, signal } = {}) =>
      (await client.callTool(
        { name, arguments: args },
        {
          ...(onprogress && { onprogress: ({ progress }: { progress: number }) => onprogress(progress) }),
          ...(signal && { signal }),
        },
      )) as Called,
    async subscribe(uri) {
      const subscription = await client.listen({ resourceSubscriptions: [uri] });
      expect(subscription.honoredFilter.resourceSubscriptions).toEqual([uri]);
      return { updated, end: () => subscription.close() };
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

const clients = [
  { era: "handshake", name: "a handshake client (TypeScript SDK 1)", connect: handshakeClient },
  { era: "stateless", name: "a stateless client (TypeScript SDK 2)", connect: statelessClient },
] as const;

/** A server that an instance runs, behind the gate. */
interface Place extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  /** Ends the instance; the next call starts another. */
  replace(): Promise<void>;
}

async function serve(
  server: { requirements: readonly string[]; source: string },
  publish: (manifest: Manifest) => { manifest: Manifest; eras?: Manifest["eras"] },
): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), "offing-era-"));
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, "main.py"), server.source);
  const located = {
    code: folder,
    environment: await environment(server.requirements),
    entrypoint: "main.py",
    object: null,
    pythonPath: [],
    variables: {},
    stateKeys: [randomBytes(32).toString("hex")],
  };
  const runner: LocalRunner = await createLocalRunner({
    python,
    bwrap,
    artifacts: { locate: async () => located },
    lines: { write: () => {} },
  });
  const target: Target = {
    organization: "org_acme",
    server: "srv_acme_fixture",
    artifact: "a".repeat(64),
    scope: "production",
    variables: null,
  };
  const world = await TestGateway.start();
  const lease = await runner.acquire(target);
  const pools = createPools();
  const manifest = await discover(pools.at(lease.address));
  await pools.close();
  lease.release();
  const url = world.publish("fixture", { ...publish(manifest), address: () => runner.acquire(target) });
  const { key } = world.key({ roles: { fixture: "user" } });
  return {
    url,
    key,
    replace: () => runner.retire(target),
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await runner.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const textOf = ({ content }: Called): string => content[0]?.text ?? "";

describe.each(eraServers)("$name", (server) => {
  let place: Place;
  beforeAll(async () => {
    place = await serve(server, (manifest) => ({ manifest, eras: server.eras }));
  });
  afterAll(() => place[Symbol.asyncDispose]());

  describe.each(clients)("and $name:", ({ era, connect }) => {
    let client: Connected;
    beforeAll(async () => {
      client = await connect(place.url, place.key);
    });
    afterAll(() => client[Symbol.asyncDispose]());

    test("a tool is called", async () => {
      expect(textOf(await client.call("add", { a: 2, b: 3 }))).toBe("5");
    });

    test("progress arrives while the call lasts", async () => {
      const seen: number[] = [];
      const called = await client.call("count", { to: 3 }, { onprogress: (at) => seen.push(at) });
      expect(textOf(called)).toBe("counted to 3");
      expect(seen).toEqual([1, 2, 3]);
    });

    test("a tool that elicits gets the person's answer", async () => {
      expect(textOf(await client.call("ask"))).toBe("Hello, Ada");
    });

    test("a tool that samples gets the model's answer", async () => {
      expect(textOf(await client.call("think"))).toBe("thought: deep");
    });

    test("a tool that asks for roots gets the client's", async () => {
      expect(textOf(await client.call("where"))).toBe("file:///home/ada");
    });

    test("two calls that ask at the same time get each its own answer", async () => {
      const called = await Promise.all([client.call("ask"), client.call("think"), client.call("ask")]);
      expect(called.map(textOf)).toEqual(["Hello, Ada", "thought: deep", "Hello, Ada"]);
    });

    test("a call that the client gives up is cancelled in the tool", async () => {
      const leaving = new AbortController();
      const call = client.call("hold", { who: era }, { signal: leaving.signal });
      call.catch(() => {});
      const wait = async (what: string) => textOf(await client.call("wait", { what: `${era} ${what}` }));
      expect(await wait("holds")).toBe(`${era} holds`);
      leaving.abort();
      await expect(call).rejects.toThrow();
      expect(await wait("is cancelled")).toBe(`${era} is cancelled`);
    });

    test("a resource that is subscribed to tells that it was updated", async () => {
      const { updated, end } = await client.subscribe("note://watched");
      expect(textOf(await client.call("touch"))).toBe("touched");
      expect(await updated).toBe("note://watched");
      await end();
    });

    test("a large result arrives whole", async () => {
      expect(textOf(await client.call("large"))).toBe("x".repeat(5_000_000));
    });
  });
});

test.each([
  { kind: "MCPServer", server: eraServers[1]!, tool: "ask" },
  { kind: "FastMCP 4", server: dualServer, tool: "returns" },
])(
  "A person's answer reaches a $kind whose instance was replaced while they thought.",
  async ({ server, tool }) => {
    await using place = await serve(server, (manifest) => ({ manifest, eras: ["stateless"] }));
    await using client = await statelessClient(place.url, place.key, place.replace);
    expect(textOf(await client.call(tool))).toBe("Hello, Ada");
  },
);

describe("A server that speaks both eras, but each of its tools only one", () => {
  let place: Place;
  beforeAll(async () => {
    place = await serve(dualServer, (manifest) => ({
      manifest: {
        ...manifest,
        items: manifest.items.map((item) =>
          item.name === "elicits"
            ? { ...item, era: "handshake" as const }
            : item.name === "returns"
              ? { ...item, era: "stateless" as const }
              : item,
        ),
      },
    }));
  });
  afterAll(() => place[Symbol.asyncDispose]());

  test.each(clients)("both kinds of tool are served to $name", async ({ connect }) => {
    await using client = await connect(place.url, place.key);
    expect(textOf(await client.call("add", { a: 2, b: 3 }))).toBe("5");
    expect(textOf(await client.call("elicits"))).toBe("Hello, Ada");
    expect(textOf(await client.call("returns"))).toBe("Hello, Ada");
  });
});
