import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createClient } from "../../src/contract/client.ts";
import { callText, deployed, mcpClient } from "../deploy.ts";
import { openTab, tokenOf } from "../http/browser.ts";
import { openWorld, type World } from "../world.ts";

/** Invariant 4: no key that Offing issued reaches an upstream, no secret a log, a record or a file. */
let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

it("a key that is used everywhere is found nowhere", async () => {
  const { key } = await world.owner.client.call(
    "createKey",
    { organization: "default" },
    { label: "canary" },
  );
  const { build, log } = await deployed({ ...world.owner, key }, "echo", {
    "requirements.txt": "fastmcp>=4,<5\n",
    "main.py": `import os
from fastmcp import FastMCP
from fastmcp.server.dependencies import get_http_headers, get_http_request

mcp = FastMCP("Echo")


@mcp.tool
def everything() -> str:
    seen = repr(dict(get_http_request().headers)) + repr(get_http_headers(include_all=True)) + repr(dict(os.environ))
    print(seen)
    return seen
`,
  });
  expect(build.error).toBeNull();
  let seen = log.join("\n");
  // A browser's ways: its link, its cookie, both where they do not belong too.
  const tab = openTab(world);
  const at = { organization: "default" };
  const { url: link } = await createClient({ url: world.url, key }).call("createSignInLink", at);
  await fetch(link);
  expect((await tab.signIn(link)).status).toBe(200);
  await tab.signIn(link);
  expect((await tab.send("GET", "/api/v1/me")).status).toBe(200);
  const secrets = [tokenOf(link), tab.cookie.split("=")[1]!];
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(30);
    await tab.send("GET", `/api/v1/organizations/${secret}/servers?x=${secret}`);
    await tab.send("POST", `/default/echo/mcp?token=${secret}`, { body: { secret } });
  }
  for (const mode of ["legacy", "auto"] as const) {
    const client = await mcpClient(world, "default/echo", key, mode, { cookie: tab.cookie });
    const answer = await callText(client, "everything");
    // The echo works: the server does see what the gateway sends.
    expect(answer).toContain("horizon-actor");
    expect(answer).toContain(world.owner.id);
    seen += answer;
    await client.close();
  }
  // The key where it does not belong: in the address, in a body, as another scheme, on the API's error path.
  await fetch(`${world.url}/default/echo/mcp?key=${key}`, {
    method: "POST",
    headers: { authorization: `Basic ${key}` },
    body: key,
  });
  await fetch(`${world.url}/default/echo/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: "{ not json",
  });
  await fetch(`${world.url}/api/v1/organizations/absent/servers`, {
    headers: { authorization: `Bearer ${key}` },
  });
  seen += await everything();
  expect(seen).toContain(build.id);
  expect(seen).not.toContain(key);
  for (const secret of secrets) expect(seen).not.toContain(secret);
  // Nor the owner's, which the test's own client used throughout.
  expect(seen).not.toContain(world.owner.key);
});

it("a variable's value is found nowhere but in the sealed column", async () => {
  const value = "canary-variable-5f1d0b7c";
  const password = "canary/password=9c2e";
  const at = { organization: "default", server: "sealed" };
  await world.owner.client.call("setVariables", at, {
    variables: {
      CANARY: value,
      DATABASE_URL: `postgres://app:${encodeURIComponent(password)}@db.example.com/app`,
    },
    create: true,
  });
  // Refused, and with the value where it does not belong: none of it is kept.
  await expect(
    world.owner.client.call("setVariables", at, { variables: { PATH: value } }),
  ).rejects.toMatchObject({ code: "invalid" });
  await expect(
    world.owner.client.call("setVariables", at, { variables: { CANARY: value } }, { idempotencyKey: "once" }),
  ).rejects.toMatchObject({ code: "invalid" });
  const code = (body: string) => ({
    "requirements.txt": "fastmcp>=4,<5\n",
    "main.py": `import os
from urllib.parse import unquote, urlsplit
from fastmcp import FastMCP

mcp = FastMCP("Sealed")
value, url = os.environ["CANARY"], os.environ["DATABASE_URL"]
password = unquote(urlsplit(url).password)
${body}


@mcp.tool
def same(text: str) -> bool:
    return text == value


@mcp.tool
def fail() -> str:
    raise RuntimeError("no")
`,
  });
  // An exception that quotes its arguments, as drivers do.
  const failed = await deployed(
    world.owner,
    "sealed",
    code("raise ConnectionError(f'{value} and {url!r} with {password}: connection refused')"),
  );
  expect(failed.build.status).toBe("failed");
  const served = await deployed(world.owner, "sealed", code(""));
  expect(served.build.error).toBeNull();
  const client = await mcpClient(world, "default/sealed", world.owner.key);
  // The server does have it.
  expect(await callText(client, "same", { text: value })).toBe("true");
  await callText(client, "fail");
  await client.close();
  const page = await world.owner.client.call("listVariables", at);

  const seen = [await everything(), ...failed.log, ...served.log, JSON.stringify([failed.build, page])].join(
    "\n",
  );
  expect(seen).toContain(served.build.id);
  expect(seen).toContain("[CANARY]");
  for (const secret of [value, password, encodeURIComponent(password)]) expect(seen).not.toContain(secret);
  const { rows } = await sql<{ sealed: Buffer }>`select sealed from offing.variables`.execute(
    world.system.services.db,
  );
  expect(rows.length).toBeGreaterThan(1);
  for (const { sealed } of rows) expect(sealed.includes(value)).toBe(false);
});

it("what a build keeps of a failure holds no fragment of a value, whoever shortened it and whenever it failed", async () => {
  const value = "sk_live_51H8abcdefGHIJKLMNOPqrstuvWXYZ0123456789mnopMNOP98765432";
  const at = { organization: "default", server: "quoting" };
  await world.owner.client.call("setVariables", at, { variables: { STRIPE_KEY: value }, create: true });
  const quoting = async (main: string) => {
    const { build, log } = await deployed(world.owner, "quoting", {
      "requirements.txt": "fastmcp>=4,<5\n",
      "main.py": `import os\nfrom fastmcp import FastMCP\n\nvalue = os.environ["STRIPE_KEY"]\n${main}`,
    });
    const view = await world.owner.client.call("getServer", at);
    const row = await world.system.services.db
      .selectFrom("builds")
      .selectAll()
      .where("id", "=", build.id)
      .executeTakeFirstOrThrow();
    const kept = [JSON.stringify([build, view, row]), ...log, ...world.logged].join("\n");
    expect(kept).toContain("[STRIPE_KEY]");
    for (let from = 0; from + 12 <= value.length; from++)
      expect(kept).not.toContain(value.slice(from, from + 12));
    return build;
  };

  // Pydantic shows the beginning and the end of what it was given.
  const shortened = await quoting(
    "from pydantic import BaseModel\n\n\nclass Settings(BaseModel):\n    key: int\n\n\nSettings(key=value)\n",
  );
  expect(JSON.stringify(shortened.error)).toContain("[STRIPE_KEY]...[STRIPE_KEY]");
  const long = await quoting('raise ValueError("x" * 3960 + " " + value + "y" * 1000)\n');
  expect(long.status).toBe("failed");

  // The words that are its own reach the build after a start that succeeded.
  const listed = await quoting(`from mcp import MCPError
from fastmcp.server.middleware import Middleware


class Quoting(Middleware):
    async def on_list_tools(self, context, call_next):
        raise MCPError(-32000, f"401 for {value}: not a key of this account")


mcp = FastMCP("Quoting", middleware=[Quoting()])


@mcp.tool
def one() -> int:
    return 1
`);
  expect(listed).toMatchObject({
    status: "succeeded",
    warnings: [expect.stringMatching(/tools\/list .*401 for \[STRIPE_KEY\]: not a key/)],
  });
});

/** Every row of every table, every line that the program logged, every file that it keeps; after a new start. */
async function everything(): Promise<string> {
  let seen = "";
  await world.restart();

  const { rows: tables } = await sql<{ schema: string; name: string }>`
    select schemaname as schema, tablename as name from pg_tables
    where schemaname in ('offing', 'graphile_worker')`.execute(world.system.services.db);
  expect(tables.length).toBeGreaterThan(20);
  for (const { schema, name } of tables) {
    const all = await sql`select * from ${sql.table(`${schema}.${name}`)}`.execute(world.system.services.db);
    seen += JSON.stringify(all.rows);
  }
  seen += world.logged.join("\n");
  for (const entry of readdirSync(world.dataDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === "owner.key" || entry.parentPath.includes("/environments/"))
      continue;
    seen += readFileSync(join(entry.parentPath, entry.name), "latin1");
  }
  return seen;
}
