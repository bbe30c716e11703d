import { afterAll, beforeAll, expect, it } from "vitest";
import { createRefusals, keepRefusal, MOST_REFUSALS } from "../../src/domain/servers/keep-refusal.ts";
import { write } from "../../src/domain/write.ts";
import type { Capability, Manifest } from "../../src/mcp/manifest.ts";
import { eraFor } from "../../src/gateway/era.ts";
import { codeOf, type EraRefusal } from "../../src/snapshot/era-refusals.ts";
import { openWorld, type World } from "../world.ts";

/** What a refusal in the wrong era teaches is kept with the code that refused. */
let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const context = () => world.system.context({ kind: "system", job: "test" });
const first = "a".repeat(64);
const second = "b".repeat(64);
const tool = (name: string): Capability => ({
  kind: "tool",
  name,
  hash: `hash of ${name}`,
  definition: { name },
});
const manifest: Manifest = {
  serverInfo: { name: "s", version: "1" },
  capabilities: { tools: {} },
  eras: ["stateless", "handshake"],
  items: [tool("asks"), tool("tells")],
};

/** A server of the organization `default` that serves an artifact; its refusals. */
async function serving(slug: string) {
  const { organization } = world.owner;
  const id = `srv_${slug}`;
  await write(context(), organization, async ({ tx, change }) => {
    const of = { organization };
    await tx
      .insertInto("servers")
      .values({ ...of, id, slug, kind: "hosted", owner: "x" })
      .execute();
    for (const digest of [first, second]) {
      await tx
        .insertInto("artifacts")
        .values({ ...of, digest, detail: "{}" })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await tx
        .insertInto("manifests")
        .values({
          ...of,
          server: id,
          artifact: digest,
          scope: "production",
          manifest: JSON.stringify(manifest),
        })
        .execute();
    }
    const build = `bld_${slug}`;
    await tx
      .insertInto("builds")
      .values({
        ...of,
        id: build,
        server: id,
        status: "succeeded",
        source: JSON.stringify({ kind: "git", url: "https://example.com/x", ref: null }),
        requested_by: "x",
      })
      .execute();
    await tx
      .insertInto("deployments")
      .values({
        ...of,
        id: `dep_${slug}`,
        server: id,
        slug: "live",
        scope: "production",
        artifact: first,
        build,
      })
      .execute();
    await change("server", id);
  });
  const code = codeOf(endpointOf(slug));
  const refusal = (era: EraRefusal["era"], name = "asks"): EraRefusal => ({
    organization,
    server: id,
    code,
    kind: "tool",
    hash: tool(name).hash,
    era,
  });
  const stored = () =>
    world.system.services.db.selectFrom("era_refusals").selectAll().where("server", "=", id).execute();
  const select = (digest: string) =>
    write(context(), organization, async ({ tx, change }) => {
      await tx.updateTable("deployments").set({ artifact: digest }).where("server", "=", id).execute();
      await change("server", id);
    });
  return { id, refusal, stored, select, refused: () => refusedBy(slug) };
}

const endpointOf = (slug: string) => world.system.services.snapshot.endpoint(`default/${slug}@live`)!;
const toolOf = (slug: string, name: string) =>
  endpointOf(slug).manifest.items.find((item) => item.name === name)!;

/** What the snapshot knows: the eras that the first tool has refused. */
const refusedBy = (slug: string, name = "asks") => toolOf(slug, name).refused;
/** The eras in which the first tool is called, for clients of either. */
const called = (slug: string) =>
  (["handshake", "stateless"] as const).map((era) => eraFor(endpointOf(slug), era, toolOf(slug, "asks")));

it("A refusal decides at once in the process that met it, before it is stored. [R:eras.learned-at-once]", async () => {
  const { refusal, refused, stored } = await serving("once");
  createRefusals(context()).refused(refusal("stateless"));
  expect(refused()).toEqual(["stateless"]);
  expect(refusedBy("once", "tells")).toBeUndefined();
  await expect.poll(stored).toMatchObject([{ code: first, kind: "tool", era: "stateless" }]);
});

it("A refusal that is not stored yet outlives other changes of its server.", async () => {
  const { id, refusal, refused } = await serving("pending");
  world.system.services.snapshot.refused(refusal("handshake"));
  await write(context(), world.owner.organization, ({ change }) => change("server", id));
  expect(refused()).toEqual(["handshake"]);
});

it("Refusals of both eras are both kept, in whatever order and however often they come. [R:eras.learned-both]", async () => {
  const { refusal, refused, stored } = await serving("both");
  expect(called("both")).toEqual(["handshake", "stateless"]);
  await keepRefusal(context(), refusal("handshake"));
  expect(called("both")).toEqual(["stateless", "stateless"]);
  const eras = ["handshake", "stateless", "handshake"] as const;
  await Promise.all(eras.map((era) => keepRefusal(context(), refusal(era))));
  expect(refused()?.toSorted()).toEqual(["handshake", "stateless"]);
  expect(called("both")).toEqual(["handshake", "stateless"]);
  expect(await stored()).toHaveLength(2);
});

it("A new artifact starts fresh, and a rollback meets what the old one has taught. [R:eras.learned-of-code]", async () => {
  const { refusal, refused, select } = await serving("code");
  await keepRefusal(context(), refusal("stateless"));
  expect(refused()).toEqual(["stateless"]);
  await select(second);
  expect(refused()).toBeUndefined();
  await select(first);
  expect(refused()).toEqual(["stateless"]);
});

it("The same code of another server, or of another organization, has taught nothing.", async () => {
  const { refusal } = await serving("own");
  const other = await serving("other");
  const stranger = await world.organization("strangers");
  await keepRefusal(context(), refusal("stateless"));
  expect(other.refused()).toBeUndefined();
  const foreign = { ...other.refusal("stateless"), organization: stranger.organization };
  await expect(keepRefusal(context(), foreign)).rejects.toThrow("foreign key");
  expect(other.refused()).toBeUndefined();
});

it("Of one server the newest refusals are kept, up to a bound. [R:eras.learned-bounded]", async () => {
  const { refusal, stored } = await serving("bounded");
  const rows = Array.from({ length: MOST_REFUSALS + 1 }, (_, n) => ({
    ...refusal("stateless", `tool ${n}`),
    created_at: new Date(),
  }));
  await world.system.services.db.insertInto("era_refusals").values(rows).execute();
  await keepRefusal(context(), refusal("stateless"));
  const left = await stored();
  expect(left).toHaveLength(MOST_REFUSALS);
  const hashes = left.map(({ hash }) => hash);
  expect(hashes).toContain(tool("asks").hash);
  expect(hashes).not.toContain(tool("tool 0").hash);
});
