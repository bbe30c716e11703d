import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callText, deployed, mcpClient } from "../deploy.ts";
import type { Files } from "../fixtures/repositories.ts";
import { type Caller, openWorld, type World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

/** A server that needs `needed` to be imported, and whose tool reads any variable. */
const reader = (mark: string, needed: readonly string[] = []): Files => ({
  "requirements.txt": "fastmcp>=4,<5\n",
  ".env": "GREETING=from the repository\nONLY_HERE=in the repository\n",
  "main.py": `import os
from pathlib import Path

from fastmcp import FastMCP

# ${mark}
for line in Path(".env").read_text().splitlines():
    name, value = line.split("=", 1)
    os.environ.setdefault(name, value)
${needed.map((name) => `os.environ["${name}"]\n`).join("")}
mcp = FastMCP("Reader")


@mcp.tool
def read(name: str) -> str:
    return os.environ.get(name, "nothing")
`,
});

const at = (server: string) => ({ organization: "default", server });
const set = (server: string, variables: Record<string, string>, more: { create?: boolean } = {}) =>
  world.owner.client.call("setVariables", at(server), { variables, ...more });

/** What the live server reads, by a call through the gate. */
async function read(server: string, ...names: string[]): Promise<string[]> {
  const client = await mcpClient(world, `default/${server}`, world.owner.key);
  try {
    return await Promise.all(names.map((name) => callText(client, "read", { name })));
  } finally {
    await client.close();
  }
}

describe("a server's variables", () => {
  it("that its code needs are named by the first build, set, and then it serves with them", async () => {
    const { build, log } = await deployed(world.owner, "needy", reader("1", ["API_KEY", "API_URL"]));
    expect(build.error).toMatchObject({
      step: "inspect",
      code: "variable_missing",
      message: "The environment variables API_KEY and API_URL are not set.",
      hint: expect.stringContaining("./offing env set needy API_KEY=VALUE API_URL=VALUE"),
      missing: ["API_KEY", "API_URL"],
    });
    expect(build.error!.hint).toContain("or API_KEY=- to be asked for it");
    expect(build.error!.hint).toContain("./offing deploy FOLDER --server needy");
    expect(log.join("\n")).toContain("./offing env set needy API_KEY=VALUE");

    const done = await set("needy", { API_KEY: "k-1", API_URL: "https://api.example.com" });
    expect(done.next).toContain("./offing deploy FOLDER --server needy");
    const again = await deployed(world.owner, "needy", reader("1", ["API_KEY", "API_URL"]));
    expect(again.build.error).toBeNull();
    expect(await read("needy", "API_KEY", "API_URL")).toEqual(["k-1", "https://api.example.com"]);
  });

  it("are taken by a build when it starts: what serves keeps its values until a build with new ones succeeds", async () => {
    await set("frozen", { GREETING: "one" }, { create: true });
    await deployed(world.owner, "frozen", reader("1"));
    expect(await read("frozen", "GREETING")).toEqual(["one"]);

    await set("frozen", { GREETING: "two" });
    expect(await read("frozen", "GREETING")).toEqual(["one"]);
    const { build } = await deployed(world.owner, "frozen", reader("2", ["NEVER_SET"]));
    expect(build.error?.missing).toEqual(["NEVER_SET"]);
    expect(await read("frozen", "GREETING")).toEqual(["one"]);
    // Also where the program began anew, with nothing in memory.
    await world.restart();
    expect(await read("frozen", "GREETING")).toEqual(["one"]);

    // The same code and the same artifact, with other values: another instance.
    await deployed(world.owner, "frozen", reader("1"));
    expect(await read("frozen", "GREETING")).toEqual(["two"]);
  });

  it("stay as they are in a rollback, so that a replaced secret is not brought back", async () => {
    await set("back", { TOKEN: "old" }, { create: true });
    await deployed(world.owner, "back", reader("1"));
    await set("back", { TOKEN: "new" });
    await deployed(world.owner, "back", reader("2"));
    await world.owner.client.call("rollback", at("back"), {});
    expect(await read("back", "TOKEN")).toEqual(["new"]);
  });

  it("that are wrong are not what a rollback takes back: where nothing else could differ it says so, and changes nothing", async () => {
    await set("wrong", { DB: "right" }, { create: true });
    const first = await deployed(world.owner, "wrong", reader("1"));
    await set("wrong", { DB: "wrong" });
    const second = await deployed(world.owner, "wrong", reader("1"));
    expect(second.build.artifact).toBe(first.build.artifact);
    for (const input of [{}, { build: first.build.id }]) {
      await expect(world.owner.client.call("rollback", at("wrong"), input)).rejects.toMatchObject({
        code: "precondition",
        message: expect.stringContaining("the variables as they are"),
        hint: expect.stringMatching(
          /\.\/offing env set wrong KEY=VALUE\n.*\.\/offing deploy FOLDER --server wrong/,
        ),
      });
    }
    const live = async () => (await world.owner.client.call("getServer", at("wrong"))).deployments[0]!.build;
    expect(await live()).toBe(second.build.id);

    // Builds of the same artifact are passed over, also on the way back.
    const third = await deployed(world.owner, "wrong", reader("2"));
    await deployed(world.owner, "wrong", reader("2"));
    await world.owner.client.call("rollback", at("wrong"), {});
    expect(await live()).toBe(second.build.id);
    await world.owner.client.call("rollback", at("wrong"), {});
    expect([third.build.id, second.build.id]).not.toContain(await live());
    expect(await read("wrong", "DB")).toEqual(["wrong"]);
  });

  it("win over the repository's own .env, whose other values stand", async () => {
    await set("dotenv", { GREETING: "from the platform" }, { create: true });
    await deployed(world.owner, "dotenv", reader("1"));
    expect(await read("dotenv", "GREETING", "ONLY_HERE")).toEqual(["from the platform", "in the repository"]);
  });

  it("hold what servers written for FastMCP Cloud expect", async () => {
    const { build } = await deployed(world.owner, "cloud", reader("1"));
    expect(
      await read("cloud", "FASTMCP_CLOUD_URL", "FASTMCP_CLOUD_GIT_COMMIT_SHA", "FASTMCP_CLOUD_GIT_REPO"),
    ).toEqual([`${world.url}/default/cloud`, build.commit, "cloud"]);
  });

  it("reach the server whole, as many and as large as they may be", async () => {
    const large = Object.fromEntries(
      Array.from({ length: 7 }, (_, n) => [`LARGE_${n}`, `é\n"'$${"x".repeat(65_000)}`]),
    );
    const small = Object.fromEntries(Array.from({ length: 249 }, (_, n) => [`SMALL_${n}`, String(n)]));
    await set("large", { ...large, ...small }, { create: true });
    const { build } = await deployed(world.owner, "large", reader("1"));
    expect(build.error).toBeNull();
    expect(await read("large", "LARGE_6", "SMALL_248")).toEqual([large["LARGE_6"], "248"]);
  });

  it("do not reach a preview, whose failure says so", async () => {
    await set("branches", { API_KEY: "production only" }, { create: true });
    const main = await deployed(world.owner, "branches", reader("1", ["API_KEY"]), {
      ref: "refs/heads/main",
    });
    expect(main.build.error).toBeNull();
    const branch = await deployed(world.owner, "branches", reader("2", ["API_KEY"]), {
      ref: "refs/heads/topic",
    });
    expect(branch.build.error).toMatchObject({ code: "variable_missing", missing: ["API_KEY"] });
    expect(branch.build.error!.hint).toContain("Previews have no variables");
    const served = await deployed(world.owner, "branches", reader("3"), { ref: "refs/heads/topic" });
    expect(served.build.error).toBeNull();
    expect(await read("branches@topic", "API_KEY", "FASTMCP_CLOUD_URL")).toEqual([
      "nothing",
      `${world.url}/default/branches@topic`,
    ]);
    expect(await read("branches", "API_KEY")).toEqual(["production only"]);
  });

  it("decide what each of two deployments of one artifact offers, and each build counts its own", async () => {
    const files: Files = {
      "requirements.txt": "fastmcp>=4,<5\n",
      "main.py": `import os
from fastmcp import FastMCP

mcp = FastMCP("Counted")


@mcp.tool
def always() -> str:
    return "always"


if "MORE" in os.environ:

    @mcp.tool
    def more() -> str:
        return "more"
`,
    };
    await set("counted", { MORE: "1" }, { create: true });
    const main = await deployed(world.owner, "counted", files, { ref: "refs/heads/main" });
    const topic = await deployed(world.owner, "counted", files, { ref: "refs/heads/topic" });
    expect(topic.build.artifact).toBe(main.build.artifact);
    const { items } = await world.owner.client.call("listBuilds", at("counted"));
    expect(items.map(({ id, capabilities }) => [id, capabilities])).toEqual([
      [topic.build.id, 1],
      [main.build.id, 2],
    ]);
  });

  it("name the command that brings them to what is live, also where the last build was a preview", async () => {
    const source = (entrypoint: string, ref: string) => ({ entrypoint, ref });
    const files = { ...reader("1"), "other.py": reader("2")["main.py"]! };
    await deployed(world.owner, "nexted", files, source("main.py", "refs/heads/main"));
    await deployed(world.owner, "nexted", files, source("other.py", "refs/heads/topic"));
    const { next } = await set("nexted", { A: "1" });
    expect(next).toContain("--entrypoint main.py");
    expect(next).not.toContain("other.py");
  });

  it("of one server are not those of another with the same code, nor is what it offers", async () => {
    const files: Files = {
      "requirements.txt": "fastmcp>=4,<5\n",
      "main.py": `import os
from fastmcp import FastMCP

mcp = FastMCP("Named")


@mcp.tool(name=os.environ.get("TOOL", "plain"))
def tool() -> str:
    return os.environ.get("TOOL", "plain")
`,
    };
    const one = await deployed(world.owner, "named-one", files);
    await set("named-two", { TOOL: "special" }, { create: true });
    const two = await deployed(world.owner, "named-two", files);
    expect(two.build.artifact).toBe(one.build.artifact);
    for (const [server, tool] of [
      ["named-one", "plain"],
      ["named-two", "special"],
    ] as const) {
      const { items } = await world.owner.client.call("listCapabilities", at(server));
      expect(items.map(({ name }) => name)).toEqual([tool]);
    }
  });
});

describe("a keyring that is not the one of before", () => {
  it("opens no variable, and is told as what it is; set anew and deployed, the server is back", async () => {
    await set("keyless", { API_KEY: "before" }, { create: true });
    await deployed(world.owner, "keyless", reader("1"));
    const file = join(world.dataDir, "keyring.json");
    const ring = JSON.parse(readFileSync(file, "utf8")) as { sealing: { keys: Record<string, string> } };
    for (const id of Object.keys(ring.sealing.keys))
      ring.sealing.keys[id] = randomBytes(32).toString("base64");
    writeFileSync(file, JSON.stringify(ring));
    await world.restart();
    const refused = await fetch(`${world.url}/default/keyless/mcp`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${world.owner.key}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "initialize",
        params: {
          protocolVersion: "2025-06-18",
          capabilities: {},
          clientInfo: { name: "test", version: "1" },
        },
      }),
    });
    expect(refused.status).toBe(503);
    expect(await refused.text()).toContain("the variable API_KEY was sealed with a key that is not here");
    await set("keyless", { API_KEY: "after" });
    const { build } = await deployed(world.owner, "keyless", reader("1"));
    expect(build.error).toBeNull();
    expect(await read("keyless", "API_KEY")).toEqual(["after"]);
  });
});

describe("setting, listing and removing", () => {
  it("lists names with when and by whom, and never a value", async () => {
    const editor = await memberWith("editor", "listed");
    await set("listed", { B: "value-of-b" }, { create: true });
    await grant(editor, "listed", "editor");
    await editor.client.call("setVariables", at("listed"), { variables: { A: "value-of-a" } });
    const page = await editor.client.call("listVariables", at("listed"));
    expect(page.items).toMatchObject([
      { name: "A", scope: "production", updatedBy: { id: editor.id } },
      { name: "B", scope: "production", updatedBy: { id: world.owner.id } },
    ]);
    expect(JSON.stringify(page)).not.toContain("value-of");
    const first = await editor.client.call("listVariables", at("listed"), { limit: 1 });
    const rest = await editor.client.call("listVariables", at("listed"), { cursor: first.nextCursor! });
    expect([...first.items, ...rest.items].map(({ name }) => name)).toEqual(["A", "B"]);
  });

  it("removes all of the named ones or none", async () => {
    await set("removing", { A: "1", B: "2", C: "3" }, { create: true });
    const remove = (...names: string[]) =>
      world.owner.client.call("removeVariables", at("removing"), { names });
    await expect(remove("A", "NOT_THERE")).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("NOT_THERE"),
    });
    expect((await remove("A", "B")).items.map(({ name }) => name)).toEqual(["C"]);
  });

  it("is for editors; who may only call learns what would suffice", async () => {
    await set("guarded", { A: "1" }, { create: true });
    const user = await memberWith("user", "guarded");
    for (const act of [
      () => user.client.call("listVariables", at("guarded")),
      () => user.client.call("setVariables", at("guarded"), { variables: { A: "2" } }),
      () => user.client.call("removeVariables", at("guarded"), { names: ["A"] }),
    ]) {
      await expect(act()).rejects.toMatchObject({
        code: "forbidden",
        message: expect.stringContaining('the server role "editor"'),
      });
    }
  });

  it("refuses a server that is not there, and says how it is made", async () => {
    await expect(set("no-such-server", { A: "1" })).rejects.toMatchObject({
      code: "not_found",
      hint: expect.stringContaining("--create"),
    });
  });

  it.each([
    ["PATH", /set by the platform/],
    ["OFFING_THING", /kept for the platform/],
    ["HORIZON_API_KEY", /kept for the platform/],
    ["FASTMCP_CLOUD_URL", /kept for the platform/],
    ["1ST", /begins with no digit/],
    ["WITH-DASH", /letters, digits and _/],
    ["", /letters, digits and _/],
    ["A".repeat(257), /at most 256 characters/],
    ["__proto__", /cannot be a name/],
  ])("refuses the name %s", async (name, words) => {
    await expect(set("refusing", { GOOD: "1", [name]: "1" }, { create: true })).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringMatching(words),
    });
    // Refused whole: neither the server nor the good one was made.
    await expect(world.owner.client.call("getServer", at("refusing"))).rejects.toMatchObject({
      code: "not_found",
    });
  });

  it("refuses too long a value and too many of them, and keeps what was there", async () => {
    await set("bounded", { KEPT: "1" }, { create: true });
    await expect(set("bounded", { BIG: "é".repeat(32 * 1024 + 1) })).rejects.toMatchObject({
      code: "invalid",
      message: "BIG: a value has at most 64 KiB",
    });
    const many = Object.fromEntries(Array.from({ length: 256 }, (_, n) => [`N${n}`, ""]));
    await expect(set("bounded", many)).rejects.toMatchObject({
      code: "too_large",
      message: "a server has at most 256 variables",
    });
    const large = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`N${n}`, "x".repeat(64 * 1024)]));
    await expect(set("bounded", large)).rejects.toMatchObject({ code: "too_large" });
    // Names count too: an instance is given both.
    const long = Object.fromEntries(
      Array.from({ length: 255 }, (_, n) => [`N${n}_`.padEnd(256, "N"), "x".repeat(1850)]),
    );
    await expect(set("bounded", long)).rejects.toMatchObject({ code: "too_large" });
    const { items } = await world.owner.client.call("listVariables", at("bounded"));
    expect(items.map(({ name }) => name)).toEqual(["KEPT"]);
  });

  it("at once from many sides loses none", async () => {
    await set("many", { FIRST: "1" }, { create: true });
    await Promise.all(Array.from({ length: 10 }, (_, n) => set("many", { [`N${n}`]: String(n) })));
    const { items } = await world.owner.client.call("listVariables", at("many"));
    expect(items).toHaveLength(11);
    expect(await world.owner.client.call("verifyAudit", { organization: "default" })).toMatchObject({
      intact: true,
    });
  });
});

async function memberWith(role: "user" | "editor", server: string): Promise<Caller> {
  const member = await world.member("member");
  await set(server, { SEED: "1" }, { create: true });
  await world.owner.client.call("removeVariables", at(server), { names: ["SEED"] });
  await grant(member, server, role);
  return member;
}

async function grant(member: Caller, server: string, role: "user" | "editor"): Promise<void> {
  await world.owner.client.call("setGrant", { ...at(server), principal: member.id }, { role });
}
