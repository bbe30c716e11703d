import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SdkServer } from "../upstream/sdk-server.ts";
import { openWorld, type World } from "../world.ts";
import { offing, remote, value } from "./offing.ts";

let world: World;
let server: SdkServer;
const run = (...args: string[]) => offing(remote(world, world.owner.key), ...args);
beforeAll(async () => {
  world = await openWorld();
  server = await SdkServer.start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await world.close();
});

describe("offing register", () => {
  it("names --allow-private where an address is private, and registers with it", async () => {
    const refused = await run("register", server.url, "--server", "notes");
    expect([refused.code, refused.stdout]).toEqual([1, ""]);
    expect(refused.stderr).toContain("--allow-private");

    const registered = await run("register", server.url, "--server", "notes", "--allow-private", "--json");
    expect(registered.code).toBe(0);
    expect(value<object>(registered)).toEqual({
      server: "default/notes",
      endpoint: `${world.url}/default/notes/mcp`,
      capabilities: 4,
    });
  });

  it("shows people the endpoint and what to do next, and the server is there for the other commands", async () => {
    const again = await run("register", server.url, "--server", "default/notes");
    expect([again.code, again.stdout]).toEqual([0, `${world.url}/default/notes/mcp\n`]);
    expect(again.stderr).toContain("Registered default/notes with 4 capabilities");
    expect(again.stderr).toContain("./offing tools default/notes");
    expect((await run("servers")).stdout).toMatch(/default\/notes +live/);
    expect((await run("tools", "notes")).stdout).toContain("Says it again.");
    const called = await run("call", "notes", "echo", "--json", '{"text":"from the shell"}');
    expect(called.stdout + called.stderr).toContain("from the shell");
  });

  it("takes no other credential than none, and no name that is no slug", async () => {
    const oauth = await run("register", server.url, "--credential", "oauth");
    expect([oauth.code, oauth.stderr]).toEqual([2, expect.stringContaining('"none"')]);
    const named = await run("register", server.url, "--server", "Not A Slug");
    expect(named.code).toBe(2);
    expect((await run("register")).code).toBe(2);
  });

  it("has commands that are for hosted servers say so", async () => {
    for (const args of [
      ["rollback", "notes"],
      ["env", "set", "notes", "A=1"],
    ]) {
      const ran = await run(...args);
      expect(ran.code).toBe(1);
      expect(ran.stderr).not.toContain("Something went wrong");
    }
    expect((await run("builds", "notes")).code).toBe(0);
    expect((await run("logs", "notes")).code).toBe(0);
  });

  it("is checked by the lines for servers that run elsewhere", async () => {
    const checked = await run("check", "notes");
    expect([checked.code, checked.stderr]).toEqual([0, expect.stringContaining("Clients can use")]);
    expect(checked.stdout.match(/^passed /gm)).toHaveLength(3);
    expect(checked.stdout).toContain("passed  A caller without access is refused by the gateway");
    expect(checked.stdout).toContain("n/a     The team that owns the remote server");
    expect(checked.stdout).not.toContain("The live deployment");
  });
});
