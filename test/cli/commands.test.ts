import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gitIn, writeFiles } from "../fixtures/repositories.ts";
import { openWorld, type World } from "../world.ts";
import { offing, remote, type Shown, until, value } from "./offing.ts";

const main = `from fastmcp import FastMCP

mcp = FastMCP("Sums")


@mcp.tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    print("adding", a, b)
    return a + b


@mcp.tool
def fail() -> str:
    """Never works."""
    raise ValueError("no such luck")
`;

let world: World;
let folder: string;
const run = (...args: string[]) => offing(remote(world, world.owner.key), ...args);
const json = async <T = Shown>(...args: string[]) => value<T>(await run(...args, "--json"));
const jsonList = (...args: string[]) => json<Shown[]>(...args);
const deploy = (...args: string[]) => run("deploy", folder, ...args);

beforeAll(async () => {
  world = await openWorld();
  folder = join(await mkdtemp(join(tmpdir(), "offing-cli-")), "Sum Tools");
  await writeFiles(folder, { "main.py": main, "requirements.txt": "fastmcp>=4,<5\n" });
  await gitIn(folder, "init", "--quiet", "--initial-branch=main");
  await gitIn(folder, "add", "--all");
  await gitIn(folder, "commit", "--quiet", "--message", "One");
});
afterAll(() => world.close());

describe("offing deploy", () => {
  it("prints one JSON object with exactly its promised fields, and progress on stderr", async () => {
    const ran = await deploy("--json");
    expect(ran.stderr).toContain("Uploading");
    const deployed = value(ran);
    expect(Object.keys(deployed)).toEqual([
      "server",
      "endpoint",
      "build",
      "commit",
      "artifact",
      "status",
      "durationMs",
      "capabilities",
    ]);
    expect(deployed).toMatchObject({
      server: "default/sum-tools",
      endpoint: `${world.url}/default/sum-tools/mcp`,
      commit: await gitIn(folder, "rev-parse", "HEAD"),
      status: "succeeded",
      capabilities: 2,
    });
    expect(deployed.durationMs).toBeGreaterThan(0);
    expect(ran.code).toBe(0);
  });

  it("that fails exits 1, says at which step and why, and leaves the endpoint serving", async () => {
    await writeFiles(folder, { "main.py": "def broken(:\n" });
    const ran = await deploy("--json");
    await writeFiles(folder, { "main.py": main });
    expect(ran.code).toBe(1);
    expect(value(ran)).toMatchObject({
      status: "failed",
      endpoint: null,
      error: { step: "plan", code: "syntax_error" },
    });
    expect(ran.stderr).toContain("main.py");
    expect((await run("call", "sum-tools", "add", '{"a": 1, "b": 1}')).stdout).toBe("2\n");
  });

  it("for a person ends in the endpoint alone on stdout", async () => {
    const ran = await deploy("--server", "default/sum-tools");
    expect(ran.stdout).toBe(`${world.url}/default/sum-tools/mcp\n`);
    expect(ran.stderr).toContain("Live in");
  });
});

describe("offing call and offing tools", () => {
  it("print a result as a person reads it, with SERVER as SLUG and as ORG/SLUG", async () => {
    for (const server of ["sum-tools", "default/sum-tools"]) {
      const ran = await run("call", server, "add", '{"a": 2, "b": 3}');
      expect([ran.stdout, ran.code]).toEqual(["5\n", 0]);
    }
  });

  it("print the result's JSON with --json", async () => {
    expect(await json("call", "sum-tools", "add", '{"a": 2, "b": 3}')).toMatchObject({
      content: [{ type: "text", text: "5" }],
    });
  });

  it("exit 1 when the tool answers with an error, which is shown", async () => {
    const ran = await run("call", "sum-tools", "fail");
    expect([ran.code, ran.stdout]).toEqual([1, expect.stringContaining("no such luck")]);
    const other = await run("call", "sum-tools", "fail", "--json");
    expect([other.code, value(other).isError]).toEqual([1, true]);
  });

  it("list the tools with what each takes", async () => {
    const ran = await run("tools", "sum-tools");
    expect(ran.stdout).toMatch(/add\s+a b\s+Adds two numbers\./);
    const tools = await jsonList("tools", "default/sum-tools");
    expect(tools.map((tool) => tool.name)).toEqual(["add", "fail"]);
  });

  it("exit 1 for a server or a tool that is not there, in words and as JSON", async () => {
    const ran = await run("call", "absent", "add", "--json");
    expect([ran.code, value(ran).error.code]).toEqual([1, "not_found"]);
    expect(ran.stderr).toContain("default/absent");
    const tool = await run("call", "sum-tools", "subtract", "--json");
    expect(tool.code).toBe(1);
    expect(tool.stdout + tool.stderr).toContain("subtract");
  });

  it("say to who may see but not call what would suffice", async () => {
    const member = await world.member("member");
    const at = { organization: "default", server: "sum-tools", principal: member.id };
    await world.owner.client.call("setGrant", at, { role: "viewer" });
    const ran = await offing(
      remote(world, member.key),
      "call",
      "sum-tools",
      "add",
      '{"a":1,"b":1}',
      "--json",
    );
    expect([ran.code, value(ran).error.code]).toEqual([1, "forbidden"]);
    expect(ran.stderr).toContain('the server role "user"');
  });
});

describe("offing servers and offing builds", () => {
  it("show what there is", async () => {
    const [server] = await jsonList("servers");
    expect(server).toMatchObject({ slug: "sum-tools", status: "live", organization: "default" });
    expect((await run("servers")).stdout).toContain(`${world.url}/default/sum-tools/mcp`);
    const builds = await jsonList("builds", "default/sum-tools");
    expect(builds.map((build) => build.status)).toEqual(["succeeded", "failed", "succeeded"]);
    expect((await run("builds", "sum-tools")).stdout).toMatch(/BUILD\s+STATUS/);
  });
});

describe("offing rollback", () => {
  it("goes back to the build before that is another artifact, or to the named one", async () => {
    const [before] = await jsonList("builds", "sum-tools");
    const same = await run("rollback", "sum-tools", "--json");
    expect([same.code, value(same).error.code]).toEqual([1, "precondition"]);
    await writeFiles(folder, { "main.py": `${main}\n# Two\n` });
    await gitIn(folder, "commit", "--quiet", "--all", "--message", "Two");
    const newest = value(await deploy("--json")).build;
    expect((await json("rollback", "sum-tools")).deployments[0]?.build).toBe(before?.id);
    const back = await run("rollback", "default/sum-tools", newest);
    expect(back.stderr).toContain(`serves build ${newest} now; the variables stay as they are`);
    const again = await run("rollback", "sum-tools", newest, "--json");
    expect([again.code, value(again).error.code]).toEqual([1, "conflict"]);
  });
});

describe("offing logs and offing requests", () => {
  it("show the last build's log with --build", async () => {
    const lines = await jsonList("logs", "sum-tools", "--build");
    expect(lines.map((line) => line.step)).toContain("plan");
    expect((await run("logs", "default/sum-tools", "--build")).stdout).toContain("requirements.txt");
  });

  it("show what the server printed with the request that it belongs to", async () => {
    const printed = async () =>
      (await jsonList("logs", "sum-tools")).find((line) => line.text.startsWith("adding"));
    await expect.poll(printed, { timeout: 10_000 }).toMatchObject({ stream: "stdout" });
    expect((await printed())?.request).toMatch(/^req_/);
    expect((await printed())?.id).toMatch(/^lin_/);
  });

  it("stream JSON lines with -f, from --since on and then as they come", async () => {
    const env = remote(world, world.owner.key);
    const seen = await until(env, ["requests", "sum-tools", "-f", "--json", "--since", "1h"], (record) => {
      return record.capability?.name === "fail";
    });
    expect(seen.every((record) => record.id.startsWith("req_"))).toBe(true);
    const said = until(env, ["logs", "sum-tools", "-f", "--json", "--since", "1h"], (line) => {
      return line.text === "adding 40 2";
    });
    await run("call", "sum-tools", "add", '{"a": 40, "b": 2}');
    expect(await said).not.toEqual([]);
  });

  it("show the requests since a moment, refused ones too", async () => {
    const records = () => jsonList("requests", "sum-tools", "--since", "1h");
    await expect
      .poll(async () => (await records()).map((record) => record.httpStatus), { timeout: 10_000 })
      .toContain(403);
    expect(await json("requests", "sum-tools", "--since", "2100-01-01")).toEqual([]);
    expect((await run("requests", "default/sum-tools")).stdout).toContain("tools/call add");
    expect((await run("requests", "sum-tools", "--since", "yesterday-ish")).code).toBe(2);
  });
});

describe("offing keys", () => {
  it("are made, listed and revoked; what is revoked exits 4", async () => {
    const made = await json("keys", "create", "--label", "ci");
    expect(Object.keys(made)).toEqual(["id", "key"]);
    const env = remote(world, made.key);
    expect((await offing(env, "servers")).code).toBe(0);
    const listed = (await jsonList("keys", "list")).find((key) => key.id === made.id);
    expect(listed).toMatchObject({ label: "ci", revokedAt: null });
    expect(JSON.stringify(listed)).not.toContain(made.key);
    expect((await json("keys", "revoke", made.id)).revokedAt).not.toBeNull();
    for (const command of [["servers"], ["tools", "default/sum-tools"]]) {
      const ran = await offing(env, ...command, "--json");
      expect([ran.code, value(ran).error.code]).toEqual([4, "unauthenticated"]);
    }
  });

  it("without --json print the key alone on stdout", async () => {
    const ran = await run("keys", "create");
    expect(ran.stdout).toMatch(/^off_\w+\n$/);
    expect((await offing({ OFFING_URL: world.url }, "servers")).code).toBe(4);
    expect((await offing(remote(world, ran.stdout.trim()), "servers")).code).toBe(0);
  });
});

describe("offing audit verify", () => {
  it("proves the chain", async () => {
    expect(await json("audit", "verify")).toMatchObject({ intact: true, problem: null });
  });
});
