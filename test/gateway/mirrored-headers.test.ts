import { expect, test } from "vitest";
import { canonicalHash } from "../../src/lib/canonical.ts";
import type { Manifest } from "../../src/mcp/manifest.ts";
import { emptyManifest, TestGateway } from "./harness.ts";
import { keep } from "./scene.ts";
import { json, ScriptedUpstream, statelessCall } from "./scripted.ts";

const definition = {
  name: "execute",
  inputSchema: {
    type: "object",
    properties: {
      region: { type: "string", "x-mcp-header": "Region" },
      limit: { type: "integer", "x-mcp-header": "Limit" },
      dry: { type: "boolean", "x-mcp-header": "Dry" },
      query: { type: "string" },
      options: { type: "object", properties: { zone: { type: "string", "x-mcp-header": "Zone" } } },
    },
  },
};
const broken = {
  name: "broken",
  inputSchema: { type: "object", properties: { a: { type: "number", "x-mcp-header": "A" } } },
};
const manifest: Manifest = {
  ...emptyManifest,
  items: [definition, broken].map((tool) => ({
    kind: "tool",
    name: tool.name,
    hash: canonicalHash(tool),
    definition: tool,
  })),
};

async function place() {
  const upstream = keep(
    await ScriptedUpstream.start(({ res, message }) =>
      json(res, { jsonrpc: "2.0", id: message.id, result: { content: [], resultType: "complete" } }),
    ),
  );
  const world = keep(await TestGateway.start());
  const url = world.publish("s", { address: upstream.address, manifest });
  const { key } = world.key({ roles: { s: "user" } });
  return {
    upstream,
    world,
    async call(args: Record<string, unknown>, headers: Record<string, string>, name = "execute") {
      const given = statelessCall("tools/call", { name, arguments: args });
      const answer = await fetch(url, {
        method: "POST",
        headers: { ...given.headers, ...headers, authorization: `Bearer ${key}` },
        body: given.body,
      });
      const body = (await answer.json()) as { error?: { code: number; data?: { header?: string } } };
      return { status: answer.status, code: body.error?.code, header: body.error?.data?.header };
    },
  };
}

const base64 = (text: string) => `=?base64?${Buffer.from(text).toString("base64")}?=`;

test("Arguments that the tool's schema mirrors are accepted with headers that repeat them, plain or in Base64. [R:stateless-client.parameters-agree]", async () => {
  const { call, upstream } = await place();
  for (const [args, headers] of [
    [{ region: "us-west1" }, { "Mcp-Param-Region": "us-west1" }],
    [{ region: "us-west1" }, { "mcp-param-region": `  us-west1 ` }],
    [{ region: "Hello, 世界" }, { "Mcp-Param-Region": base64("Hello, 世界") }],
    [{ region: "=?base64?eA==?=" }, { "Mcp-Param-Region": base64("=?base64?eA==?=") }],
    [{ limit: 42 }, { "Mcp-Param-Limit": "42.0" }],
    [
      { limit: -7, dry: false },
      { "Mcp-Param-Limit": "-7", "Mcp-Param-Dry": "false" },
    ],
    [{ options: { zone: "b" } }, { "Mcp-Param-Zone": "b" }],
    [{ region: null, query: "x" }, {}],
    [{ query: "x" }, { "Mcp-Param-Unknown": "whatever" }],
  ] as const) {
    expect([headers, (await call(args, headers)).status]).toEqual([headers, 200]);
  }
  expect(upstream.received.at(2)?.req.headers["mcp-param-region"]).toBe(base64("Hello, 世界"));
  expect(upstream.received.at(-1)?.req.headers["mcp-param-unknown"]).toBe("whatever");
});

test("A mirrored header that is missing, extra, different or not decodable is a header mismatch, and nothing goes upstream. [R:stateless-client.parameters-differ]", async () => {
  const { call, upstream, world } = await place();
  for (const [args, headers, header] of [
    [{ region: "a" }, {}, "mcp-param-region"],
    [{ region: "a" }, { "Mcp-Param-Region": "A" }, "mcp-param-region"],
    [{ region: "Hello" }, { "Mcp-Param-Region": "=?base64?SGVsbG8?=" }, "mcp-param-region"],
    [{ region: "Hello" }, { "Mcp-Param-Region": "=?base64?SGVs!!!bG8=?=" }, "mcp-param-region"],
    [{ region: "SGVsbG8=" }, { "Mcp-Param-Region": "=?base64?SGVsbG8=?=" }, "mcp-param-region"],
    [{ limit: 1 }, { "Mcp-Param-Limit": "0x1" }, "mcp-param-limit"],
    [{ dry: true }, { "Mcp-Param-Dry": "True" }, "mcp-param-dry"],
    [{ options: { zone: "b" } }, { "Mcp-Param-Zone": "c" }, "mcp-param-zone"],
    [{ region: null }, { "Mcp-Param-Region": "a" }, "mcp-param-region"],
    [{ query: "x" }, { "Mcp-Param-Region": "a" }, "mcp-param-region"],
  ] as const) {
    expect([args, headers, await call(args, headers)]).toEqual([
      args,
      headers,
      { status: 400, code: -32020, header },
    ]);
  }
  expect(upstream.received).toHaveLength(0);
  expect(world.records.every(({ boundary }) => boundary === "protocol")).toBe(true);
});

test("A tool whose annotation is invalid asks for no headers. [R:stateless-client.parameters-invalid]", async () => {
  const { call } = await place();
  expect((await call({ a: 1.5 }, {}, "broken")).status).toBe(200);
});
