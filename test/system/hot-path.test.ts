import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { callText, deployed, mcpClient, serverSaying } from "../deploy.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { openWorld, type World } from "../world.ts";

/** Invariant 5: the hot path makes no query. */
let world: World;
beforeAll(async () => {
  world = await openWorld();
  await deployed(world.owner, "hot", serverSaying("x"));
});
afterAll(() => world.close());

/** What runs beside the path: the writers' batches, the followers' looks, the job engine's polling. */
const background = [
  /^insert into requests select/,
  /^insert into server_lines select/,
  /^insert into "sessions"/,
  /^select pg_notify/,
  /^select pg_snapshot_xmin/,
  /from "changes" where/,
  /graphile_worker/,
  /^(begin|commit)/i,
  /^select .* from "processes" where "ended_at" is null/,
  /^\s*with dead as/,
];

/** Every statement that this process sends while `work` runs. */
async function statementsDuring(work: () => Promise<void>): Promise<string[]> {
  const texts: string[] = [];
  const query = pg.Client.prototype.query;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [first] = args as [string | { text?: string }];
    texts.push(typeof first === "string" ? first : (first.text ?? ""));
    return (query as (...all: unknown[]) => unknown).apply(this, args);
  } as typeof query;
  try {
    await work();
  } finally {
    pg.Client.prototype.query = query;
  }
  return texts;
}

it.each(["legacy", "auto"] as const)(
  "a hundred warm calls by a %s client cause no statement of their own",
  async (mode) => {
    const client = await mcpClient(world, "default/hot", world.owner.key, mode);
    await callText(client, "answer");
    const texts = await statementsDuring(async () => {
      for (let n = 0; n < 100; n++) expect(await callText(client, "answer")).toBe("x");
      await client.listTools();
      await fetch(`${world.url}/default/hot/mcp`, { method: "POST" });
      await fetch(`${world.url}/default/absent/mcp`, {
        method: "POST",
        headers: { authorization: `Bearer ${world.owner.key}` },
      });
    });
    await client.close();
    expect(texts.filter((text) => !background.some((known) => known.test(text)))).toEqual([]);
    // The records themselves did go out, in batches, not one by one.
    const written = () =>
      world.system.services.db
        .selectFrom("requests")
        .select(({ fn }) => fn.countAll().as("n"))
        .executeTakeFirst();
    await expect.poll(async () => Number((await written())?.n), { timeout: 5000 }).toBeGreaterThan(100);
    expect(texts.filter((text) => text.startsWith("insert into requests")).length).toBeLessThan(100);
  },
);

it.each(["legacy", { pin: "2026-07-28" }] as const)(
  "nor do a hundred calls to a server that runs elsewhere, by a %j client",
  async (mode) => {
    await using server = await SdkServer.start();
    const input = { url: server.url, server: "elsewhere", allowPrivate: true };
    await world.owner.client.call("registerServer", { organization: "default" }, input);
    const client = await mcpClient(world, "default/elsewhere", world.owner.key, mode);
    await callText(client, "echo", { text: "x" });
    const texts = await statementsDuring(async () => {
      for (let n = 0; n < 100; n++) expect(await callText(client, "echo", { text: "x" })).toBe("x");
    });
    await client.close();
    expect(texts.filter((text) => !background.some((known) => known.test(text)))).toEqual([]);
  },
);
