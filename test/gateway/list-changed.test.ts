import { describe, expect, test } from "vitest";
import type { Era } from "../../src/mcp/eras.ts";
import type { Capability, CapabilityKind, Manifest } from "../../src/mcp/manifest.ts";
import { TestGateway } from "./harness.ts";
import { listenRequest, RawStream, standing } from "./raw-stream.ts";
import { keep } from "./scene.ts";
import { openSession, ScriptedUpstream, statelessCall, wellBehaved } from "./scripted.ts";
import { methods } from "./telling.ts";

const item = (kind: CapabilityKind, name: string, hash = "1"): Capability => ({
  kind,
  name,
  hash,
  definition: { name },
});

function manifest(items: Capability[]): Manifest {
  return {
    serverInfo: { name: "scripted", version: "1" },
    capabilities: { tools: {}, prompts: {}, resources: {} },
    eras: ["handshake", "stateless"],
    items,
  };
}

const first = [item("tool", "a"), item("tool", "b"), item("prompt", "p"), item("resource", "r://1")];

/** A server behind the gate, and a client of an era that listens to all of its lists. */
async function listening(era: Era) {
  const upstream = keep(await ScriptedUpstream.start(wellBehaved));
  const world = keep(await TestGateway.start());
  const publish = (items: Capability[], artifact: string, slug = "s") =>
    world.publish(slug, { address: upstream.address, manifest: manifest(items), artifact });
  const url = publish(first, "a");
  const { key, principal } = world.key({ roles: { s: "user" } });
  const lists = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
  const open = async () => {
    if (era === "stateless") return keep(await RawStream.open(url, key, listenRequest(lists)));
    return keep(await RawStream.open(url, key, standing(await openSession(url, key))));
  };
  const stream = await open();
  if (era === "stateless") await stream.first(1);
  /** What was told of lists. */
  const told = () =>
    stream.messages.flatMap(({ method }) => (method?.endsWith("list_changed") ? [method] : []));
  return { world, url, key, principal, publish, stream, told, open };
}

describe.each(["stateless", "handshake"] as const)("a client of the %s era", (era) => {
  test("is told of the lists that another version changes, and of no others. [R:hub.promotion-told]", async () => {
    const { publish, stream, told } = await listening(era);
    publish([...first, item("tool", "c")], "b");
    await stream.until(() => told().length === 1);
    publish([...first, item("tool", "c"), item("prompt", "q"), item("resource_template", "r://{x}")], "c");
    await stream.until(() => told().length === 3);
    expect(told()).toEqual([methods.tools, methods.prompts, methods.resources]);
  });

  test("is told when a definition changes under its old name, and when the old version is back. [R:hub.rollback-told]", async () => {
    const { publish, stream, told } = await listening(era);
    publish([item("tool", "a", "2"), ...first.slice(1)], "b");
    await stream.until(() => told().length === 1);
    publish(first, "a");
    await stream.until(() => told().length === 2);
    expect(told()).toEqual([methods.tools, methods.tools]);
  });

  test("is told nothing by a version whose lists are the same, in whatever order. [R:hub.equal-untold]", async () => {
    const { publish, stream, told } = await listening(era);
    publish(first.toReversed(), "b");
    publish(first, "c");
    publish(first.slice(0, 2), "d", "other");
    // What comes after, and is told, shows that nothing came before.
    publish([...first, item("prompt", "q")], "e");
    await stream.until(() => told().length > 0);
    expect(told()).toEqual([methods.prompts]);
  });

  test("that may not know of the server any more has its stream ended. [R:hub.access-ends]", async () => {
    const { world, principal, stream, told } = await listening(era);
    const { grants } = principal as { grants: ReadonlyMap<string, unknown> };
    (grants as Map<string, unknown>).clear();
    world.tell({ kind: "principal", subject: principal.id });
    await stream.until(({ ended }) => ended);
    expect(told()).toEqual([]);
  });

  test("has its stream ended when the server is gone.", async () => {
    const { world, stream, told } = await listening(era);
    world.unpublish("s");
    await stream.until(({ ended }) => ended);
    expect(told()).toEqual([]);
  });
});

describe("what a server is announced to tell", () => {
  async function announced(capabilities: Record<string, unknown>) {
    const upstream = keep(
      await ScriptedUpstream.start(({ res, message }) => {
        if (message.id === undefined) return void res.writeHead(202).end();
        const hello =
          message.method === "initialize"
            ? { protocolVersion: "2025-11-25", serverInfo: { name: "s", version: "1" } }
            : { resultType: "complete", supportedVersions: ["2026-07-28"], ttlMs: 0, cacheScope: "private" };
        res.writeHead(200, { "content-type": "application/json" });
        res.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { ...hello, capabilities } }));
      }),
    );
    const world = keep(await TestGateway.start());
    const { key } = world.key({ roles: { both: "user", handshake: "user", stateless: "user" } });
    const given = (eras: Era[]): Manifest => ({ ...manifest([]), capabilities, eras });
    const ask = async (slug: string, eras: Era[], era: Era) => {
      const url = world.publish(slug, { address: upstream.address, manifest: given(eras) });
      const { headers, body } =
        era === "stateless"
          ? statelessCall("server/discover")
          : {
              headers: { "content-type": "application/json" },
              body: JSON.stringify({
                jsonrpc: "2.0",
                id: 1,
                method: "initialize",
                params: {
                  protocolVersion: "2025-11-25",
                  capabilities: {},
                  clientInfo: { name: "c", version: "1" },
                },
              }),
            };
      const response = await fetch(url, {
        method: "POST",
        headers: { ...headers, authorization: `Bearer ${key}` },
        body,
      });
      const { result } = (await response.json()) as { result: { capabilities: unknown } };
      return result.capabilities;
    };
    return [
      await ask("both", ["handshake", "stateless"], "handshake"),
      await ask("both", ["handshake", "stateless"], "stateless"),
      await ask("handshake", ["handshake"], "stateless"),
      await ask("stateless", ["stateless"], "handshake"),
    ];
  }

  test("is every change of its lists, and updates where it tells them, in each era and across them. [R:hub.announced]", async () => {
    for (const found of await announced({ tools: {}, resources: { subscribe: true } })) {
      expect(found).toEqual({
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
      });
    }
    for (const found of await announced({ prompts: {}, resources: {} })) {
      expect(found).toEqual({ prompts: { listChanged: true }, resources: { listChanged: true } });
    }
  });
});
