import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { silentLog } from "../../src/lib/log.ts";
import { findValkey } from "../../src/main/valkey.ts";
import { accountForValkey } from "../../src/store/valkey/child.ts";
import { openValkey, prefixOf, queueOf } from "../../src/store/valkey/valkey.ts";
import { testCache } from "../cache.ts";
import { environment, python } from "../fixtures/environments.ts";
import { fastmcp3, fastmcp4, rpc, world } from "./harness.ts";

const tools = `
    @made.tool
    async def keep(ctx: Context, key: str, value: str) -> str:
        await ctx.set_state(key, value)
        return ctx.session_id

    @made.tool
    async def kept(ctx: Context, key: str) -> str:
        return str(await ctx.get_state(key))

    @made.tool
    async def drop(ctx: Context, key: str) -> str:
        await ctx.delete_state(key)
        return "dropped"

    @made.tool
    async def unkeepable(ctx: Context) -> str:
        await ctx.set_state("key", object())
        return "kept"
`;
const main = `from fastmcp import Context, FastMCP


def make(name, **more):
    made = FastMCP(name, **more)
${tools}
    return made


mcp = make("Outer")
mcp.mount(make("Inner"), namespace="inner")
`;

/** Valkey for one test, and the pids that it had. */
function valkeys() {
  const dataDir = mkdtempSync(join(tmpdir(), "offing-keyed-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const pids: number[] = [];
  const valkey = openValkey({
    dataDir,
    url: undefined,
    find: () => findValkey({ cacheDir: testCache, python, env: process.env, say: () => {} }),
    account: accountForValkey,
    key: Buffer.alloc(32, 7),
    log: { ...silentLog, info: (_, detail) => void pids.push((detail as { pid: number }).pid) },
  });
  onTestFinished(() => valkey.close());
  const names = (target: Parameters<typeof queueOf>[0]) => ({
    prefix: prefixOf(target.server),
    queue: queueOf(target),
  });
  return { pids, valkeys: { ...valkey, names } };
}

const meta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** A stateless call in a virtual session; its text. */
async function call(address: string, session: string, name: string, args: object = {}): Promise<string> {
  const result = await rpc(
    address,
    "tools/call",
    { name, arguments: args, _meta: meta },
    {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": name,
      "mcp-session-id": `req_${Math.random()}`,
      "offing-virtual-session": session,
    },
  );
  return (result as { content: { text: string }[] }).content.map(({ text }) => text).join("");
}

/** The same, alone, of a server that knows the handshake only. */
async function callAlone(address: string, session: string, name: string, args: object): Promise<string> {
  const headers = { "mcp-session-id": `req_${Math.random()}`, "offing-virtual-session": session };
  const result = await rpc(address, "tools/call", { name, arguments: args }, headers);
  return (result as { content: { text: string }[] }).content.map(({ text }) => text).join("");
}

describe("What a FastMCP server keeps for a session that the gateway names", () => {
  test("is that session's at every instance, until it is dropped, and no other session's [R:sessions.keyed-state]", async () => {
    const place = await world({ valkeys: valkeys().valkeys });
    const target = await place.deploy({ files: { "main.py": main }, keepsState: true });
    const first = await place.runner.acquire(target);
    expect(await call(first.address, "one", "keep", { key: "k", value: "of one" })).toBe("one");
    await call(first.address, "two", "keep", { key: "k", value: "of two" });
    await call(first.address, "one", "inner_keep", { key: "k", value: "of the inner one" });
    first.release();
    await place.runner.retire(target);
    const { address } = await place.runner.acquire(target);
    expect(await call(address, "one", "kept", { key: "k" })).toBe("of one");
    expect(await call(address, "two", "kept", { key: "k" })).toBe("of two");
    expect(await call(address, "one", "inner_kept", { key: "k" })).toBe("of the inner one");
    expect(await call(address, "three", "kept", { key: "k" })).toBe("None");
    await call(address, "one", "drop", { key: "k" });
    expect(await call(address, "one", "kept", { key: "k" })).toBe("None");
    expect(await call(address, "two", "kept", { key: "k" })).toBe("of two");
  });

  test("is so with FastMCP 3 too", async () => {
    const place = await world({ valkeys: valkeys().valkeys });
    const target = await place.deploy({
      files: { "main.py": main },
      environment: await environment(fastmcp3),
      keepsState: true,
    });
    const first = await place.runner.acquire(target);
    await callAlone(first.address, "one", "keep", { key: "k", value: "of one" });
    first.release();
    await place.runner.retire(target);
    const { address } = await place.runner.acquire(target);
    expect(await callAlone(address, "one", "kept", { key: "k" })).toBe("of one");
    expect(await callAlone(address, "two", "kept", { key: "k" })).toBe("None");
  });

  test("outlives Valkey's own end, which the server notices only as a call that takes longer", async () => {
    const { pids, valkeys: given } = valkeys();
    const place = await world({ valkeys: given });
    const target = await place.deploy({ files: { "main.py": main }, keepsState: true });
    const { address } = await place.runner.acquire(target);
    await call(address, "one", "keep", { key: "k", value: "kept" });
    process.kill(pids[0]!, "SIGKILL");
    expect(await call(address, "one", "kept", { key: "k" })).toBe("kept");
    expect(pids).toHaveLength(2);
  });

  test("must be JSON, as in memory", async () => {
    const place = await world({ valkeys: valkeys().valkeys });
    const target = await place.deploy({ files: { "main.py": main }, keepsState: true });
    const { address } = await place.runner.acquire(target);
    expect(await call(address, "one", "unkeepable")).toContain("serializable");
  });

  test("stays where its author put it", async () => {
    const place = await world({ valkeys: valkeys().valkeys });
    const own = main.replace(
      'mcp = make("Outer")',
      `from key_value.aio.stores.memory import MemoryStore

mcp = make("Outer", session_state_store=MemoryStore())`,
    );
    const target = await place.deploy({
      files: { "main.py": own },
      environment: await environment(fastmcp4),
      keepsState: true,
    });
    const first = await place.runner.acquire(target);
    await call(first.address, "one", "keep", { key: "k", value: "in memory" });
    expect(await call(first.address, "one", "kept", { key: "k" })).toBe("in memory");
    first.release();
    await place.runner.retire(target);
    const { address } = await place.runner.acquire(target);
    expect(await call(address, "one", "kept", { key: "k" })).toBe("None");
  });

  test("is kept in the instance alone where there is no Valkey, which its log says once [R:sessions.keyed-without-valkey]", async () => {
    const place = await world();
    const target = await place.deploy({ files: { "main.py": main }, keepsState: true });
    const { address } = await place.runner.acquire(target);
    await call(address, "one", "keep", { key: "k", value: "here" });
    await call(address, "one", "keep", { key: "l", value: "here" });
    expect(await call(address, "one", "kept", { key: "k" })).toBe("here");
    expect(await call(address, "two", "kept", { key: "k" })).toBe("None");
    await place.line(({ text }) => text.includes("kept in the memory of this instance only"));
    expect(place.lines.filter(({ text }) => text.includes("memory of this instance"))).toHaveLength(1);
  });
});
