import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, it } from "vitest";
import { callText, deployed, mcpClient } from "../deploy.ts";
import { openWorld, type World } from "../world.ts";

/** Invariant 4, for keys: no key that Offing issued reaches an upstream, a log, a record or a file. */
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
  for (const mode of ["legacy", "auto"] as const) {
    const client = await mcpClient(world, "default/echo", key, mode);
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
  expect(seen).toContain(build.id);
  expect(seen).not.toContain(key);
  // Nor the owner's, which the test's own client used throughout.
  expect(seen).not.toContain(world.owner.key);
});
