import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { OffingError } from "../../src/contract/errors.ts";
import type { Given } from "../../src/contract/route.ts";
import type { Routes } from "../../src/contract/routes.ts";
import { readServerUrl, slugsOf } from "../../src/domain/servers/server-url.ts";
import { callText, mcpClient, serverSaying, startDeploy } from "../deploy.ts";
import { handshakeCall } from "../gateway/scene.ts";
import { openSession } from "../gateway/scripted.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { type Caller, openWorld, type World } from "../world.ts";

let world: World;
const open: AsyncDisposable[] = [];
const elsewhere = async (options?: { sessions?: boolean }): Promise<SdkServer> => {
  const server = await SdkServer.start(options);
  open.push(server);
  return server;
};
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
afterEach(async () => {
  for (const each of open.splice(0)) await each[Symbol.asyncDispose]();
});

const register = (caller: Caller, input: Given<Routes["registerServer"]>) =>
  caller.client.call("registerServer", { organization: caller.slug }, input);

const refusal = async (attempt: Promise<unknown>): Promise<OffingError> => {
  const error: unknown = await attempt.then(
    () => new Error("it was done"),
    (reason: unknown) => reason,
  );
  if (error instanceof OffingError) return error;
  throw error;
};

const get = (server: string) => world.owner.client.call("getServer", { organization: "default", server });
const slugs = async (): Promise<string[]> => {
  const { items } = await world.owner.client.call("listServers", { organization: "default" });
  return items.map(({ slug }) => slug);
};

describe("registering a server that runs elsewhere", () => {
  it("answers its name, endpoint and number of capabilities, and the server is called through the gate [R:upstream.register]", async () => {
    const server = await elsewhere();
    const registered = await register(world.owner, { url: server.url, server: "notes", allowPrivate: true });
    expect(registered).toEqual({
      server: "default/notes",
      endpoint: `${world.url}/default/notes/mcp`,
      capabilities: 4,
    });
    const client = await mcpClient(world, "default/notes", world.owner.key, "legacy");
    expect(await callText(client, "echo", { text: "hello" })).toBe("hello");
    await client.close();

    expect(await get("notes")).toMatchObject({
      kind: "external",
      status: "live",
      owner: world.owner.id,
      deployments: [],
      external: { url: server.url, reachable: true, problem: null },
    });
    const { items } = await world.owner.client.call("listCapabilities", {
      organization: "default",
      server: "notes",
    });
    expect(items.map(({ name }) => name).sort()).toEqual(["ask", "bump", "echo", "note://one"]);
  });

  it("refuses a private address in words that name --allow-private, and stores nothing [R:upstream.private]", async () => {
    const server = await elsewhere();
    const before = await slugs();
    const error = await refusal(register(world.owner, { url: server.url }));
    expect(error.code).toBe("precondition");
    expect(error.message).toContain("is a loopback address");
    expect(error.hint).toContain("--allow-private");
    expect(server.seen).toEqual([]);
    expect(await slugs()).toEqual(before);
  });

  it("lets through exactly the host and port that an admin names, for nobody else's organization", async () => {
    const [server, neighbour] = [await elsewhere(), await elsewhere()];
    await register(world.owner, { url: server.url, server: "exact", allowPrivate: true });
    expect((await refusal(register(world.owner, { url: neighbour.url }))).message).toContain("loopback");
    const stranger = await world.organization("exact-strangers");
    expect((await refusal(register(stranger, { url: server.url }))).message).toContain("loopback");
    expect(neighbour.seen).toEqual([]);
  });

  it("never lets through metadata services and Offing's own listeners, whatever an admin says [R:upstream.never]", async () => {
    for (const url of ["http://169.254.169.254/mcp", `${world.system.localUrl}/default/notes/mcp`]) {
      const error = await refusal(register(world.owner, { url, allowPrivate: true }));
      expect(error.message).toContain("never reachable");
      expect(error.hint).toContain("no option");
    }
    const rows = await world.system.services.db.selectFrom("allowed_hosts").select("host").execute();
    expect(rows.map(({ host }) => host)).not.toContain("169.254.169.254");
  });

  it("stores nothing of what cannot be reached or is no MCP server, its host included", async () => {
    const server = await elsewhere();
    const allowed = () =>
      world.system.services.db
        .selectFrom("allowed_hosts")
        .select("port")
        .where("port", "=", server.port)
        .execute();
    server.instead = () => ({ status: 200, body: "<html>", headers: { "content-type": "text/html" } });
    const page = await refusal(
      register(world.owner, { url: server.url, server: "page", allowPrivate: true }),
    );
    expect(page.message).toContain("not a JSON-RPC response");
    server.instead = () => ({ status: 404 });
    const absent = await refusal(
      register(world.owner, { url: server.url, server: "page", allowPrivate: true }),
    );
    expect(absent.message).toContain("neither `server/discover` nor `initialize`");
    server.instead = () => ({ status: 401, headers: { "www-authenticate": "Bearer" } });
    const locked = await refusal(
      register(world.owner, { url: server.url, server: "page", allowPrivate: true }),
    );
    expect(locked.message).toContain("wants credentials");
    server.instead = () => ({ status: 307, headers: { location: "http://169.254.169.254/mcp" } });
    const moved = await refusal(
      register(world.owner, { url: server.url, server: "page", allowPrivate: true }),
    );
    expect(moved.message).toContain("redirect");
    await server[Symbol.asyncDispose]();
    const gone = await refusal(
      register(world.owner, { url: server.url, server: "page", allowPrivate: true }),
    );
    expect(gone.message).toContain("cannot be asked");
    expect(await slugs()).not.toContain("page");
    expect(await allowed()).toEqual([]);
    const hosts = { url: "ftp://example.com/", server: "page" };
    expect((await refusal(register(world.owner, hosts))).code).toBe("invalid");
    expect((await refusal(register(world.owner, { url: "https://me:pw@example.com/mcp" }))).code).toBe(
      "invalid",
    );
  });

  it("is for those who may deploy: others neither register nor learn what is reachable", async () => {
    const server = await elsewhere();
    const member = await world.member("member");
    const error = await refusal(register(member, { url: server.url, allowPrivate: true }));
    expect([error.code, error.message]).toEqual(["forbidden", expect.stringContaining('"admin"')]);
    expect((await refusal(register(member, { url: server.url }))).code).toBe("forbidden");
    expect(server.seen).toEqual([]);
  });

  it("under the same name gives the server a new URL and reads it anew, for its admins, and ends the sessions of before", async () => {
    const [first, second] = [await elsewhere(), await elsewhere()];
    await register(world.owner, { url: first.url, server: "moving", allowPrivate: true });
    const member = await world.member("member");
    const at = { organization: "default", server: "moving", principal: member.id };
    await world.owner.client.call("setGrant", at, { role: "editor" });
    expect((await refusal(register(member, { url: first.url, server: "moving" }))).code).toBe("forbidden");
    await world.owner.client.call("setGrant", at, { role: "admin" });

    const client = await mcpClient(world, "default/moving", world.owner.key, "legacy");
    await callText(client, "echo", { text: "1" });
    await register(world.owner, { url: second.url, server: "kept", allowPrivate: true });
    second.instead = ({ message }) =>
      message?.method === "tools/list"
        ? { status: 200, body: JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { tools: [] } }) }
        : undefined;
    const moved = await register(member, { url: second.url, server: "moving" });
    expect(moved).toMatchObject({ server: "default/moving", capabilities: 1 });
    expect((await get("moving")).external?.url).toBe(second.url);
    await expect(callText(client, "echo", { text: "2" })).rejects.toThrow(/404|session/i);
    expect(second.of("tools/call")).toEqual([]);
    await client.close();
    // Again without a change: the same sessions go on.
    const other = await mcpClient(world, "default/moving", world.owner.key, "legacy");
    await register(member, { url: second.url, server: "moving" });
    second.instead = undefined;
    expect(await callText(other, "echo", { text: "3" })).toBe("3");
    await other.close();
  });

  it("makes a name of the URL where none is given, and the same URL is the same server", async () => {
    const server = await elsewhere();
    const made = await register(world.owner, { url: server.url, allowPrivate: true });
    expect(made.server).toBe(`default/127-0-0-1-${server.port}`);
    expect(await register(world.owner, { url: server.url })).toEqual(made);
    const path = `http://127.0.0.1:${server.port}/other/../mcp?a=1`;
    expect((await register(world.owner, { url: path })).server).toBe(`${made.server}-2`);
    const first = (url: string) => slugsOf(readServerUrl(url)).slice(0, 2);
    expect(first("https://mcp.example.com/mcp")).toEqual(["example", "example-2"]);
    expect(first("https://example.com/weather/v1/sse")).toEqual(["example-weather", "example-weather-2"]);
    expect(first("http://localhost:8000/mcp")).toEqual(["localhost-8000", "localhost-8000-2"]);
    expect(first("http://[::1]:8000/mcp")[0]).toBe("1-8000");
    expect(first(`https://${"a".repeat(63)}.example.com/${"b".repeat(99)}`)[1]).toMatch(/^a{60}-2$/);
  });

  it("takes no name of a hosted server, and nothing is deployed under the name of an external one", async () => {
    const server = await elsewhere();
    await startDeploy(world.owner, "hosted", serverSaying("x"));
    const taken = await refusal(
      register(world.owner, { url: server.url, server: "hosted", allowPrivate: true }),
    );
    expect([taken.code, server.seen]).toEqual(["conflict", []]);
    await register(world.owner, { url: server.url, server: "outside", allowPrivate: true });
    const deploy = await refusal(startDeploy(world.owner, "outside", serverSaying("x")));
    expect([deploy.code, deploy.message]).toEqual(["conflict", expect.stringContaining("runs elsewhere")]);
  });

  it("holds over a restart of Offing, the sessions of its clients included", async () => {
    const server = await elsewhere();
    await register(world.owner, { url: server.url, server: "lasting", allowPrivate: true });
    const session = await openSession(`${world.url}/default/lasting/mcp`, world.owner.key);
    await world.restart();
    const { headers, body } = handshakeCall(session, "echo", { text: "still" });
    const response = await fetch(`${world.url}/default/lasting/mcp`, {
      method: "POST",
      headers: { ...headers, authorization: `Bearer ${world.owner.key}` },
      body,
    });
    expect(await response.text()).toContain("still");
    expect(server.of("initialize").length).toBe(2);
    expect(server.of("tools/call")[0]!.headers["mcp-session-id"]).toBe(server.open.at(-1));
  });
});
