import { rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request as send, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report } from "../../src/cli/check/check.ts";
import type { Line } from "../../src/cli/check/line.ts";
import { deployed, serverSaying } from "../deploy.ts";
import type { Files } from "../fixtures/repositories.ts";
import { openWorld, type World } from "../world.ts";
import { offing, remote, value } from "./offing.ts";

const lines = {
  live: "The live deployment selects the artifact of the newest successful build of the default branch",
  list: "Clients list through the endpoint what the live build was found to offer",
  call: "Representative tools answer a call through the endpoint",
  noKey: "A request without a key is refused",
  wrongKey: "A request with a key that nobody has is refused",
  access: "Who has no role on the server is refused, and who may only see it may not call it",
  variables: "Production has the variables that the server's code needs",
  records: "The request records show the calls with the client and the principal that made them",
  boundaries: "The records tell a refusal by the gateway from a failure of the server",
  log: "The server log says during which request a line was printed",
} as const;

/** A server that can be told to misbehave: `more` is code after its tools. */
const files = (more = ""): Files => ({
  "requirements.txt": "fastmcp>=4,<5\n",
  "main.py": `from fastmcp import FastMCP

mcp = FastMCP("Checked")


@mcp.tool(annotations={"readOnlyHint": True})
def status() -> str:
    """How it is."""
    print("asked for the status")
    return "fine"


@mcp.tool
def erase() -> str:
    """Erases everything."""
    print("erased everything")
    return "gone"


${more}`,
});

const brokenTool = `@mcp.tool(annotations={"readOnlyHint": True})
def broken() -> str:
    raise ValueError("the disk is gone")
`;

/** After \`hide\` was called, its lists are empty. */
const hiding = `from fastmcp.server.middleware import Middleware

hidden = False


class Hide(Middleware):
    async def on_list_tools(self, context, call_next):
        tools = await call_next(context)
        return [] if hidden else tools


mcp.add_middleware(Hide())


@mcp.tool
def hide() -> str:
    global hidden
    hidden = True
    return "hidden"
`;

async function check(env: Record<string, string | undefined>, server: string) {
  const ran = await offing(env, "check", server, "--json");
  const report = value<Report>(ran);
  const of = (name: keyof typeof lines): Line => {
    const found = report.checks.filter((line) => line.check === lines[name]);
    if (found.length !== 1) throw new Error(`${found.length} lines "${lines[name]}": ${ran.stdout}`);
    return found[0]!;
  };
  const failed = report.checks.filter(({ result }) => result === "failed").map((line) => line.check);
  return { ran, report, of, failed };
}

describe("offing check", () => {
  let world: World;
  const asOwner = (server: string) => check(remote(world, world.owner.key), server);
  beforeAll(async () => {
    world = await openWorld();
    const { build } = await deployed(world.owner, "checked", files());
    expect(build.error).toBeNull();
  });
  afterAll(() => world.close());

  it("of a server that is ready passes every line that has a subject, and exits 0", async () => {
    const { ran, report, failed } = await asOwner("checked");
    expect(failed).toEqual([]);
    expect(Object.keys(report)).toEqual(["server", "endpoint", "ok", "checks"]);
    expect(report).toMatchObject({
      server: "default/checked",
      endpoint: `${world.url}/default/checked/mcp`,
      ok: true,
    });
    expect(ran.code).toBe(0);
    const passed = report.checks.filter(({ result }) => result === "passed").map((line) => line.check);
    expect(passed).toEqual(Object.values(lines));
    for (const line of report.checks)
      expect(Object.keys(line)).toEqual(["list", "check", "result", "detail", "fix"]);
  });

  it("never passes a line without a subject: it says why the line is not applicable", async () => {
    const { report } = await asOwner("checked");
    const others = report.checks.filter(({ result }) => result === "not_applicable");
    expect(others.map(({ list, detail }) => [list, detail])).toEqual([
      ["hosted", expect.stringContaining("there is no inspector page")],
      ["hosted", expect.stringContaining("every endpoint asks for a key")],
      ["hosted", expect.stringContaining("there are no capability policies")],
      ["hosted", expect.stringContaining("there are no variables of previews")],
      ...Array.from({ length: 5 }, () => ["external", expect.stringContaining("the server is hosted here")]),
    ]);
  });

  it("calls only tools that say that they only read, and leaves nobody behind", async () => {
    const { of } = await asOwner("checked");
    expect(of("call").detail).toBe("called status");
    const at = { organization: "default" };
    const printed = await world.owner.client.call("listServerLines", { ...at, server: "checked" });
    const texts = printed.items.map(({ text }) => text);
    expect(texts).toContain("asked for the status");
    expect(texts).not.toContain("erased everything");
    expect((await world.owner.client.call("listServiceAccounts", at)).items).toEqual([]);
    expect((await world.owner.client.call("listGrants", { ...at, server: "checked" })).items).toEqual([]);
    const keys = (await world.owner.client.call("listKeys", at)).items;
    expect(keys.filter(({ label }) => label.startsWith("check-")).map((key) => key.revokedAt)).not.toContain(
      null,
    );
  });

  it("says of a server without such a tool that none was called", async () => {
    await deployed(world.owner, "unannotated", serverSaying("hello"));
    const { of, ran } = await asOwner("unannotated");
    expect(of("call")).toMatchObject({
      result: "not_applicable",
      detail: expect.stringContaining("readOnlyHint"),
      fix: "./offing call unannotated answer '{…}'",
    });
    expect(of("log").result).toBe("not_applicable");
    expect(ran.code).toBe(0);
  });

  it("fails when an older build is live after a rollback, and names the command that mends it", async () => {
    await deployed(world.owner, "moved", serverSaying("one"));
    const { build } = await deployed(world.owner, "moved", serverSaying("two"));
    await world.owner.client.call("rollback", { organization: "default", server: "moved" }, {});
    const { of, ran, report, failed } = await asOwner("moved");
    expect(failed).toEqual([lines.live]);
    expect([ran.code, report.ok]).toEqual([1, false]);
    expect(of("live").fix).toBe(`./offing rollback moved ${build.id}`);
    const mend = of("live").fix!.split(" ").slice(1);
    expect((await offing(remote(world, world.owner.key), ...mend)).code).toBe(0);
    expect((await asOwner("moved")).ran.code).toBe(0);
  });

  it("passes while a newer attempt has failed, and says so", async () => {
    await deployed(world.owner, "attempted", serverSaying("good"));
    const { build } = await deployed(world.owner, "attempted", { "main.py": "def broken(:\n" });
    const { of } = await asOwner("attempted");
    expect(of("live")).toMatchObject({ result: "passed", detail: expect.stringContaining(build.id) });
    expect(of("live").detail).toContain("is failed");
  });

  it("fails where nothing is live, at each line that needs it", async () => {
    const { build } = await deployed(world.owner, "empty", { "main.py": "def broken(:\n" });
    const { of, ran, failed } = await asOwner("empty");
    expect(ran.code).toBe(1);
    expect(failed).toEqual([lines.live, lines.list]);
    expect(of("live").detail).toContain(build.id);
    expect(of("live").fix).toContain("./offing logs empty --build");
    expect(of("list").detail).toContain("nothing is live at default/empty");
    for (const name of ["call", "access", "records", "boundaries", "log"] as const)
      expect(of(name).result).toBe("not_applicable");
  });

  it("fails where the server does not start any more", async () => {
    const { build } = await deployed(world.owner, "gone", files());
    const { services, runner } = world.system;
    const { upstream } = services.snapshot.endpoint("default/gone@live")!;
    await rm(join(world.dataDir, "artifacts", build.artifact!.split(":").at(-1)!), {
      recursive: true,
      force: true,
    });
    if (upstream.kind === "hosted") await runner.retire(upstream.target);
    const { of, failed } = await asOwner("gone");
    expect(failed).toContain(lines.list);
    expect(of("call").result).toBe("not_applicable");
    expect(of("boundaries").detail).toContain('stopped at "runtime"');
    expect(of("list")).toMatchObject({
      result: "failed",
      detail: expect.stringMatching(/^The server did not start: .*\.$/),
    });
    expect(of("list").fix).toContain("./offing logs default/gone");
  });

  it("fails where the endpoint lists less than the build found", async () => {
    await deployed(world.owner, "hiding", files(hiding));
    expect((await asOwner("hiding")).failed).toEqual([]);
    await offing(remote(world, world.owner.key), "call", "hiding", "hide");
    const { of, failed } = await asOwner("hiding");
    expect(failed).toEqual([lines.list]);
    expect(of("list").detail).toContain("tool erase, tool hide, which the endpoint does not list");
  });

  it("fails where a tool answers with an error, in the tool's words", async () => {
    await deployed(world.owner, "failing", files(brokenTool));
    const { of, failed } = await asOwner("failing");
    expect(failed).toEqual([lines.call]);
    expect(of("call").detail).toContain("broken: ");
    expect(of("call").detail).toContain("the disk is gone");
  });

  it("fails while the code lacks a variable, names it, and while what was set does not serve yet", async () => {
    const needy = files('import os\n\ntoken = os.environ["CHECK_TOKEN"]\n');
    const { build } = await deployed(world.owner, "needy", needy);
    expect(build.status).toBe("failed");
    const before = await asOwner("needy");
    expect(before.of("variables")).toMatchObject({
      result: "failed",
      detail: expect.stringContaining("CHECK_TOKEN"),
      fix: "./offing env set needy CHECK_TOKEN=VALUE",
    });
    const set = async (text: string) =>
      expect((await offing(remote(world, world.owner.key), "env", "set", "needy", text)).code).toBe(0);
    await set("CHECK_TOKEN=a-secret");
    expect((await deployed(world.owner, "needy", needy)).build.error).toBeNull();
    const after = await asOwner("needy");
    expect(after.failed).toEqual([]);
    expect(after.of("variables").detail).toBe("CHECK_TOKEN");
    expect(after.ran.stdout).not.toContain("a-secret");
    await set("LATER=1");
    const later = await asOwner("needy");
    expect(later.failed).toEqual([lines.variables]);
    expect(later.of("variables").detail).toMatch(
      /set after the build that live has its variables from began.*: LATER$/,
    );
  });

  it("says to a member what they may not see, and who could", async () => {
    const member = await world.member("member");
    const at = { organization: "default", server: "checked", principal: member.id };
    await world.owner.client.call("setGrant", at, { role: "user" });
    const { of, ran } = await check(remote(world, member.key), "default/checked");
    expect(ran.code).toBe(0);
    expect(of("call").result).toBe("passed");
    expect(of("access")).toMatchObject({ result: "not_applicable", fix: "run it with an admin's key" });
    for (const name of ["live", "records", "boundaries", "log", "variables"] as const)
      expect(of(name)).toMatchObject({
        result: "not_applicable",
        detail: expect.stringContaining('the server role "editor"'),
      });
    await world.owner.client.call("removeGrant", at);
  });

  it("of a server that is not there, or with a key that nobody has, is an error of the command", async () => {
    const absent = await offing(remote(world, world.owner.key), "check", "absent", "--json");
    expect([absent.code, value(absent).error.code]).toEqual([1, "not_found"]);
    const unknown = await offing(remote(world, "off_wrong"), "check", "default/checked", "--json");
    expect([unknown.code, value(unknown).error.code]).toEqual([4, "unauthenticated"]);
  });

  it("for people marks each line, with what to do below those that failed", async () => {
    const ran = await offing(remote(world, world.owner.key), "check", "failing");
    expect(ran.stdout).toMatch(/^passed {2}The live deployment selects/m);
    expect(ran.stdout).toMatch(
      /^failed {2}Representative tools.*\n.*the disk is gone.*\n {8}→ \.\/offing logs failing/m,
    );
    expect(ran.stdout).toMatch(/^n\/a {5}The inspector page/m);
    expect([ran.code, ran.stderr]).toEqual([1, "1 of the lines failed.\n"]);
  });
});

describe("offing check behind something that stands between clients and Offing", () => {
  let world: World;
  let front: Front;
  beforeAll(async () => {
    front = await openFront();
    world = await openWorld({ env: { OFFING_PUBLIC_URL: front.url } });
    front.target = world.system.localUrl;
    await deployed(world.owner, "fronted", files());
  });
  afterAll(async () => {
    await world.close();
    front.server.close();
  });
  const run = () => check({ OFFING_URL: front.api, OFFING_API_KEY: world.owner.key }, "fronted");

  it("passes where it forwards everything as it is", async () => {
    front.change = () => {};
    expect((await run()).failed).toEqual([]);
  });

  it("fails where it gives every request a key", async () => {
    front.change = (request) => (request.headers["authorization"] = `Bearer ${world.owner.key}`);
    const { of, failed } = await run();
    expect(failed).toEqual(expect.arrayContaining([lines.noKey, lines.wrongKey, lines.access]));
    expect(of("noKey").fix).toContain(front.url);
    expect(of("access").detail).toContain("was not answered 404");
  });

  it("fails where it speaks under a client's name of its own", async () => {
    front.change = (request) => (request.body = request.body.replaceAll("offing-check", "frontends"));
    const { of, failed } = await run();
    expect(failed).toContain(lines.records);
    expect(of("records").detail).toContain("tools/list by Owner");
  });

  it("tells when the account that it made could not be removed", async () => {
    front.change = (request) => {
      if (request.method === "DELETE") request.refuse = true;
    };
    const { of } = await run();
    expect(of("access")).toMatchObject({
      result: "failed",
      detail: expect.stringContaining("could not be removed"),
    });
    const { items } = await world.owner.client.call("listServiceAccounts", { organization: "default" });
    const [left] = items;
    expect(items).toHaveLength(1);
    expect(of("access").fix).toContain(left!.id);
  });

  it("fails where the public URL is nobody's", async () => {
    front.change = () => {};
    front.server.close();
    const { of } = await check(remote({ url: world.system.localUrl }, world.owner.key), "fronted");
    expect(of("list")).toMatchObject({ result: "failed", detail: expect.stringContaining("ECONNREFUSED") });
    expect(of("noKey").result).toBe("failed");
  });
});

interface Passing {
  readonly method: string;
  readonly headers: IncomingMessage["headers"];
  body: string;
  refuse: boolean;
}

/** A reverse proxy: what stands in front of a program that is reached from elsewhere. */
interface Front {
  readonly server: Server;
  readonly url: string;
  readonly api: string;
  target: string;
  change: (request: Passing) => void;
}

async function openFront(): Promise<Front> {
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      const passing: Passing = {
        method: req.method!,
        headers: { ...req.headers },
        body: Buffer.concat(chunks).toString(),
        refuse: false,
      };
      // The API is passed on as it is, deletions excepted; what is changed are the requests of clients.
      if (!req.url!.startsWith("/api/") || req.method === "DELETE") front.change(passing);
      if (passing.refuse) return void res.writeHead(503).end();
      delete passing.headers["transfer-encoding"];
      if (passing.body !== "") passing.headers["content-length"] = String(Buffer.byteLength(passing.body));
      const onward = send(
        front.target + req.url!,
        { method: passing.method, headers: passing.headers },
        (answer) => {
          res.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(res);
        },
      );
      onward.on("error", () => res.destroy());
      onward.end(passing.body);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const front: Front = { server, url, api: url, target: "", change: () => {} };
  return front;
}
