import { expect, test } from "vitest";
import { canonicalHash } from "../../src/lib/canonical.ts";
import { discover, type DiscoverOptions } from "../../src/upstream/discover.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { json, type Received, ScriptedUpstream } from "./scripted.ts";

/** Discovers a handshake server whose lists the script answers; other methods do not exist. */
async function discovered(
  lists: Record<string, (params: Record<string, unknown>) => object>,
  options: DiscoverOptions = {},
) {
  await using upstream = await ScriptedUpstream.start(({ res, message }: Received) => {
    const { id, method = "", params = {} } = message;
    if (id === undefined) return void res.writeHead(202).end();
    const result =
      method === "initialize"
        ? {
            protocolVersion: "2025-11-25",
            capabilities: { tools: {}, prompts: {}, resources: {} },
            serverInfo: { name: "scripted", version: "3" },
          }
        : lists[method]?.(params);
    json(
      res,
      result === undefined
        ? { jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found" } }
        : { jsonrpc: "2.0", id, ...("error" in result ? result : { result }) },
    );
  });
  const pools = createPools();
  const problems: string[] = [];
  try {
    const manifest = await discover(pools.at(upstream.address), {
      onProblem: ({ method }) => problems.push(method),
      ...options,
    });
    return { manifest, problems };
  } finally {
    await pools.close();
  }
}

test("Every page of a list is read, an empty cursor included, and each capability is hashed.", async () => {
  const { manifest, problems } = await discovered({
    "tools/list": ({ cursor }) =>
      cursor === undefined
        ? { tools: [{ name: "a" }], nextCursor: "" }
        : cursor === ""
          ? { tools: [{ name: "b" }], nextCursor: "2" }
          : { tools: [{ name: "c", inputSchema: { type: "object" } }] },
  });
  expect(manifest.items.map((item) => item.name)).toEqual(["a", "b", "c"]);
  expect(manifest.items[2]!.hash).toBe(canonicalHash({ inputSchema: { type: "object" }, name: "c" }));
  expect(manifest).toMatchObject({ eras: ["handshake"], serverInfo: { name: "scripted", version: "3" } });
  expect(problems).toEqual([]);
});

test("A list that fails leaves the others, and is told.", async () => {
  const { manifest, problems } = await discovered({
    "tools/list": () => ({ tools: [{ name: "a" }] }),
    "prompts/list": () => ({ error: { code: -32603, message: "broken" } }),
    "resources/list": () => ({ resources: "none" }),
  });
  expect(manifest.items.map((item) => item.name)).toEqual(["a"]);
  expect(problems.sort()).toEqual(["prompts/list", "resources/list"]);
});

test("A list without end is cut off.", async () => {
  const { manifest, problems } = await discovered(
    {
      "tools/list": ({ cursor }) => ({
        tools: [{ name: `t${String(cursor)}` }],
        nextCursor: `${String(cursor)}x`,
      }),
    },
    { maxPages: 5 },
  );
  expect(manifest.items.length).toBe(5);
  expect(problems).toEqual(["tools/list"]);
});

test("A list whose definitions are too long is cut off after the page on which they were.", async () => {
  const { manifest, problems } = await discovered(
    {
      "tools/list": ({ cursor }) => ({
        tools: [{ name: `t${String(cursor)}`, description: "x".repeat(600) }],
        nextCursor: `${String(cursor)}x`,
      }),
    },
    { maxListLength: 1000 },
  );
  expect(manifest.items.length).toBe(2);
  expect(problems).toEqual(["tools/list"]);
});

test("What does not answer in time, or is no MCP server, cannot be discovered.", async () => {
  await using silent = await ScriptedUpstream.start(() => {});
  await using page = await ScriptedUpstream.start(({ res }) => void res.end("hello"));
  const pools = createPools();
  await expect(discover(pools.at(silent.address), { timeoutMs: 100 })).rejects.toThrow("in time");
  await expect(discover(pools.at(page.address))).rejects.toThrow("not a JSON-RPC response");
  await expect(discover(pools.at("unix:/nonexistent"))).rejects.toThrow("cannot be asked");
  expect(() => pools.at("http://127.0.0.1/mcp")).toThrow("No way to dial");
  await pools.close();
});
