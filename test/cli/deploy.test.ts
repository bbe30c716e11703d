import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GitHost, gitHost } from "../fixtures/git-host.ts";
import { commit, gitIn, repository, writeFiles } from "../fixtures/repositories.ts";
import { openWorld, type World } from "../world.ts";
import { offing, remote, value } from "./offing.ts";

/** A server whose `answer` tool says one word; `name` is what its object is called. */
const saying = (word: string, name = "mcp") => `from fastmcp import FastMCP

${name} = FastMCP("Answer")


@${name}.tool
def answer() -> str:
    return "${word}"
`;
const files = (word: string) => ({ "main.py": saying(word), "requirements.txt": "fastmcp>=4,<5\n" });

let world: World;
let host: GitHost;
beforeAll(async () => {
  world = await openWorld();
  host = await gitHost();
});
afterAll(async () => {
  await world.close();
  await host.close();
});

const run = (...args: string[]) => offing(remote(world, world.owner.key), ...args);
const answer = async (server: string) => (await run("call", server, "answer")).stdout.trim();
const deploy = async (...args: string[]) => {
  const ran = await run("deploy", ...args, "--json");
  return { ...ran, deployed: value(ran) };
};

describe("offing deploy takes", () => {
  it("a folder without Git, leaving out what .gitignore names", async () => {
    const folder = join(await mkdtemp(join(tmpdir(), "offing-plain-")), "plain");
    await writeFiles(folder, { ...files("plain"), ".gitignore": "broken.py\n", "broken.py": "def (:\n" });
    const { code, deployed } = await deploy(folder);
    expect([code, deployed.server, deployed.status]).toEqual([0, "default/plain", "succeeded"]);
    expect(deployed.commit).toMatch(/^[0-9a-f]{40}$/);
    expect(await answer("plain")).toBe("plain");
  });

  it("a repository's folder as it lies there, or with --ref what is committed", async () => {
    const made = await repository("lying", files("committed"));
    await writeFiles(made.path, { "main.py": saying("changed") });
    expect((await deploy(made.path)).stderr).toContain("not committed");
    expect(await answer("lying")).toBe("changed");
    const { deployed } = await deploy(made.path, "--ref", "main");
    expect(deployed.commit).toBe(made.commit);
    expect(await answer("lying")).toBe("committed");
  });

  it("the dependency file that --dependency-file names, and tells it with the build", async () => {
    const made = await repository("chosen", {
      ...files("chosen"),
      "requirements.txt": "no-such-package-is-read==1\n",
      "deploy/prod.txt": "fastmcp>=4,<5\n",
    });
    const missing = await run("deploy", made.path, "--dependency-file", "gone.txt");
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("There is no file gone.txt")]);
    const { code, deployed } = await deploy(made.path, "--dependency-file", "deploy/prod.txt");
    expect([code, deployed.status]).toEqual([0, "succeeded"]);
    const [build] = value<{ dependencyFile: string }[]>(await run("builds", "chosen", "--json"));
    expect(build?.dependencyFile).toBe("deploy/prod.txt");
  });

  it("a file:// address, read by the CLI", async () => {
    const made = await repository("local", files("local"));
    const { deployed } = await deploy(made.url, "--server", "default/by-file");
    expect(deployed).toMatchObject({ server: "default/by-file", commit: made.commit, status: "succeeded" });
    expect(await answer("by-file")).toBe("local");
  });

  it("an entrypoint with the object's name", async () => {
    const made = await repository("named", {
      "tools/weather.py": saying("rain", "weather"),
      "requirements.txt": "fastmcp>=4,<5\n",
    });
    const { deployed } = await deploy(made.path, "--entrypoint", "tools/weather.py:weather");
    expect(deployed.status).toBe("succeeded");
    expect(await answer("named")).toBe("rain");
  });

  it("a private Git host only once an admin allows it, and says how", async () => {
    const made = await repository("hosted", files("hosted"));
    host.add("hosted", made.path);
    const url = `${host.url}/hosted.git`;
    const refused = await deploy(url);
    expect([refused.code, refused.deployed.error.code]).toEqual([1, "source_refused"]);
    expect(refused.stderr).toContain("--allow-private");
    expect(host.requests).toEqual([]);

    const member = await world.member("member");
    const at = { organization: "default", server: "hosted", principal: member.id };
    await world.owner.client.call("setGrant", at, { role: "editor" });
    const asMember = await offing(remote(world, member.key), "deploy", url, "--allow-private", "--json");
    expect([asMember.code, value(asMember).error.code]).toEqual([1, "forbidden"]);
    expect(host.requests).toEqual([]);

    const { deployed } = await deploy(url, "--allow-private");
    expect(deployed).toMatchObject({ server: "default/hosted", commit: made.commit, status: "succeeded" });
    const next = await commit(made.path, { "main.py": saying("newer") });
    // The host stays allowed: the next deploy, a member's too, needs no flag.
    const again = await offing(remote(world, member.key), "deploy", url, "--ref", next, "--json");
    expect(value(again)).toMatchObject({ commit: next, status: "succeeded" });
    expect(await answer("hosted")).toBe("newer");
  });

  it("of a branch that is not the default one makes a preview, whatever the branch is called", async () => {
    const made = await repository("branches", files("main"));
    host.add("branches", made.path);
    const url = `${host.url}/branches.git`;
    await deploy(url, "--allow-private");
    await gitIn(made.path, "switch", "--quiet", "--create", "live");
    await commit(made.path, { "main.py": saying("not live") });
    await gitIn(made.path, "switch", "--quiet", "main");
    const { deployed } = await deploy(url, "--ref", "live");
    expect(deployed.endpoint).toMatch(/\/default\/branches@live-[0-9a-f]{6}\/mcp$/);
    expect(await answer("branches")).toBe("main");
  });
});

describe("offing deploy refuses", () => {
  it("a URL with a secret in it, without telling the secret to anyone", async () => {
    for (const user of ["token", "user:token"]) {
      const { code, deployed, stderr } = await deploy(`https://${user}@git.example.com/a.git`);
      expect([code, deployed.error.code]).toEqual([1, "invalid"]);
      expect(stderr).toContain("what stands before the @");
    }
  });

  it("our own listener and metadata addresses, whatever is allowed", async () => {
    for (const address of [world.url.replace("localhost", "127.0.0.1"), "http://169.254.169.254"]) {
      const { code, deployed } = await deploy(`${address}/a.git`, "--server", "own", "--allow-private");
      expect([code, deployed.error.code]).toEqual([1, "source_refused"]);
    }
  });
});
