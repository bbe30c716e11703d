import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { deployed, serverSaying } from "../deploy.ts";
import { type Caller, openWorld, type World } from "../world.ts";
import { offing, remote, value } from "./offing.ts";

let world: World;
let user: Caller;
const run = (caller: Caller, ...args: string[]) => offing(remote(world, caller.key), ...args);
const owner = (...args: string[]) => run(world.owner, ...args);

beforeAll(async () => {
  world = await openWorld();
  await deployed(world.owner, "kept", serverSaying("one"));
  user = await world.member("member");
  const at = { organization: "default", server: "kept", principal: user.id };
  await world.owner.client.call("setGrant", at, { role: "user" });
});
afterAll(() => world.close());

interface Server {
  readonly upstreamEra: string;
  readonly virtualSessions: boolean;
}

describe("offing servers set", () => {
  it("sets what it names and prints the server with --json [R:sessions.command-set]", async () => {
    const era = value<Server>(await owner("servers", "set", "kept", "--upstream-era", "handshake", "--json"));
    expect(era).toMatchObject({ slug: "kept", upstreamEra: "handshake", virtualSessions: false });
    const on = value<Server>(await owner("servers", "set", "kept", "--virtual-sessions", "on", "--json"));
    expect(on).toMatchObject({ upstreamEra: "handshake", virtualSessions: true });
    const [listed] = value<Server[]>(await owner("servers", "--json"));
    expect(listed).toMatchObject({ upstreamEra: "handshake", virtualSessions: true });
  });

  it("tells a person what holds now", async () => {
    const said = await owner("servers", "set", "kept", "--upstream-era", "auto", "--virtual-sessions", "off");
    expect([said.code, said.stdout]).toEqual([0, ""]);
    expect(said.stderr).toContain(
      "kept is spoken to in the client's own era; stateless clients have no sessions.",
    );
  });

  it.each([
    [["servers", "set", "kept"], "name what to set: --upstream-era, --virtual-sessions"],
    [["servers", "set", "kept", "--upstream-era", "newest"], "one of auto, handshake, stateless"],
    [["servers", "set", "kept", "--virtual-sessions", "yes"], "one of on, off"],
    [["servers", "set"], "an argument is missing"],
  ])("exits 2 for %j and says what it takes", async (args, words) => {
    const ran = await owner(...args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(words);
  });

  it("exits 1 for who may not, with what would suffice", async () => {
    const ran = await run(user, "servers", "set", "kept", "--virtual-sessions", "on");
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("admin");
  });
});

describe("offing sessions", () => {
  it("says what to do where there are none [R:sessions.command-list]", async () => {
    const ran = await owner("sessions", "kept");
    expect([ran.code, ran.stdout]).toEqual([
      0,
      "No sessions yet. Clients of the handshake revisions have them; for stateless ones: ./offing servers set kept --virtual-sessions on\n",
    ]);
    expect(value(await owner("sessions", "kept", "--json"))).toEqual([]);
  });

  it("lists a server's sessions, for a person and as JSON with exactly the promised fields", async () => {
    const client = new Client({ name: "lister", version: "3" });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`${world.url}/default/kept/mcp`), {
        requestInit: { headers: { authorization: `Bearer ${user.key}` } },
      }),
    );
    const listed = await vi.waitFor(async () => {
      const [first] = value<Record<string, unknown>[]>(await run(user, "sessions", "default/kept", "--json"));
      expect(first).toBeDefined();
      return first!;
    }, 10_000);
    expect(Object.keys(listed)).toEqual([
      "id",
      "kind",
      "deployment",
      "principal",
      "client",
      "revision",
      "state",
      "startedAt",
      "lastSeenAt",
      "expiresAt",
      "endedAt",
    ]);
    const shown = await owner("sessions", "kept");
    expect(shown.stdout).toMatch(
      /^SESSION +KIND +STATE +OF +CLIENT +REVISION +STARTED +LAST SEEN +EXPIRES\n/,
    );
    expect(shown.stdout).toMatch(/^ses_\w+ +handshake +open +A member +lister 3 +2025-11-25 +\d{4}-/m);
    await client.close();
  });
});
