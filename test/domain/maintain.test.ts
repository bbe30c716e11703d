import { existsSync, writeFileSync } from "node:fs";
import { readFile, utimes } from "node:fs/promises";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../src/contract/client.ts";
import { newKeySecret } from "../../src/domain/keys/secret.ts";
import { maintainPartitions } from "../../src/domain/records/partitions.ts";
import { createQueue } from "../../src/domain/records/queue.ts";
import { forgetVariableSets } from "../../src/domain/variables/forget.ts";
import { forgetUploads } from "../../src/domain/uploads/forget.ts";
import { createLog } from "../../src/lib/log.ts";
import { openWorld, type World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const at = { organization: "default" };
const services = () => world.system.services;

describe("uploads", () => {
  const upload = async (text: string, organization = world.owner) => {
    const { id } = await organization.client.upload(
      "createUpload",
      { organization: organization.slug },
      new TextEncoder().encode(text),
    );
    const row = await services()
      .db.selectFrom("uploads")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    return { id, file: services().blobs.path(row.blob) };
  };
  const age = async (...uploads: { id: string; file: string }[]) => {
    const long = new Date(Date.now() - 25 * 3_600_000);
    for (const { id, file } of uploads) {
      await services().db.updateTable("uploads").set({ created_at: long }).where("id", "=", id).execute();
      await utimes(file, long, long);
    }
  };
  const kept = async (id: string) =>
    (await services().db.selectFrom("uploads").select("id").where("id", "=", id).executeTakeFirst()) !==
    undefined;

  it("are forgotten with their bytes after a day", async () => {
    const [old, fresh] = [await upload("old"), await upload("fresh")];
    await age(old);
    await forgetUploads(services());
    expect([await kept(old.id), existsSync(old.file)]).toEqual([false, false]);
    expect([await kept(fresh.id), existsSync(fresh.file)]).toEqual([true, true]);
  });

  it("keep their bytes while another upload, of another organization even, has the same", async () => {
    const stranger = await world.organization("sharers");
    const [mine, theirs] = [await upload("same"), await upload("same", stranger)];
    expect(mine.file).toBe(theirs.file);
    await age(mine);
    await forgetUploads(services());
    expect([await kept(mine.id), await kept(theirs.id), existsSync(theirs.file)]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it("stay while a build waits for them", async () => {
    const waiting = await upload("waiting");
    const build = await world.owner.client.call("startBuild", at, {
      server: "waiting",
      source: { kind: "upload", upload: waiting.id, commit: "0".repeat(40), name: "x" },
    });
    const status = (to: "queued" | "failed") =>
      services().db.updateTable("builds").set({ status: to }).where("id", "=", build.id).execute();
    await expect
      .poll(() => world.owner.client.call("getBuild", { ...at, server: "waiting", build: build.id }), {
        timeout: 20_000,
      })
      .toMatchObject({ status: "failed" });
    await status("queued");
    await age(waiting);
    await forgetUploads(services());
    expect([await kept(waiting.id), existsSync(waiting.file)]).toEqual([true, true]);
    await status("failed");
    await forgetUploads(services());
    expect(await kept(waiting.id)).toBe(false);
  });

  it("of somebody else cannot be built", async () => {
    const { id } = await upload("mine");
    const admin = await world.member("admin");
    const source = { kind: "upload" as const, upload: id, commit: "0".repeat(40), name: "x" };
    await expect(admin.client.call("startBuild", at, { server: "stolen", source })).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

describe("sets of variables", () => {
  it("are kept while something takes them, and an hour after they were replaced", async () => {
    const { db } = services();
    const set = (value: string) =>
      world.owner.client.call(
        "setVariables",
        { ...at, server: "sets" },
        { variables: { A: value }, create: true },
      );
    const ids = async () =>
      (await db.selectFrom("variable_sets").select("id").orderBy("seq").execute()).map(({ id }) => id);
    await set("1");
    const [first] = await ids();
    const later = { ...services(), clock: { now: () => Date.now() + 2 * 3_600_000, monotonic: () => 0 } };
    const server = await db
      .selectFrom("servers")
      .select("id")
      .where("slug", "=", "sets")
      .executeTakeFirstOrThrow();
    const { organization } = world.owner;
    await db
      .insertInto("builds")
      .values({
        organization,
        id: "bld_takes",
        server: server.id,
        status: "building",
        source: JSON.stringify({ kind: "git", url: "https://git.example.com/a.git", ref: null }),
        variable_set: first!,
        requested_by: world.owner.id,
      })
      .execute();
    // The second was replaced before anything took it.
    await set("2");
    await set("3");
    const [, third] = await ids();
    expect(await ids()).toEqual([first, third]);
    await forgetVariableSets(later);
    expect(await ids()).toEqual([first, third]);
    await db.updateTable("builds").set({ status: "failed" }).where("id", "=", "bld_takes").execute();
    await forgetVariableSets(later);
    expect(await ids()).toEqual([third]);
    const kept = await db.selectFrom("variables").select("variable_set").execute();
    expect(kept).toEqual([{ variable_set: third }]);
  });

  it("of production do not stay for previews, which may be moved all day", async () => {
    const { db } = services();
    const set = (value: string) =>
      world.owner.client.call(
        "setVariables",
        { ...at, server: "busy" },
        { variables: { A: value }, create: true },
      );
    await set("1");
    const server = await db
      .selectFrom("servers")
      .select("id")
      .where("slug", "=", "busy")
      .executeTakeFirstOrThrow();
    const ids = async () =>
      (
        await db
          .selectFrom("variable_sets")
          .select("id")
          .where("server", "=", server.id)
          .orderBy("seq")
          .execute()
      ).map(({ id }) => id);
    const [first] = await ids();
    const { organization } = world.owner;
    const build = {
      organization,
      server: server.id,
      requested_by: world.owner.id,
      status: "building",
    } as const;
    const source = JSON.stringify({ kind: "git", url: "https://git.example.com/a.git", ref: null });
    await db
      .insertInto("builds")
      .values({ ...build, id: "bld_busy", source, variable_set: first! })
      .execute();
    await set("2");
    const [, second] = await ids();
    await db.updateTable("builds").set({ status: "failed" }).where("id", "=", "bld_busy").execute();
    await db
      .insertInto("artifacts")
      .values({ organization, digest: "sha256:busy", detail: JSON.stringify({}) })
      .execute();
    const now = Date.now() + 2 * 3_600_000;
    await db
      .insertInto("deployments")
      .values({
        organization,
        id: "dep_busy",
        server: server.id,
        slug: "topic",
        scope: "preview",
        branch: "topic",
        artifact: "sha256:busy",
        build: "bld_busy",
        variable_set: null,
        updated_at: new Date(now),
      })
      .execute();
    await forgetVariableSets({ ...services(), clock: { now: () => now, monotonic: () => 0 } });
    expect(await ids()).toEqual([second]);
  });
});

describe("partitions", () => {
  it("are made also for a day whose rows came before it", async () => {
    const day = Math.floor(Date.now() / 86_400_000) + 10;
    const time = new Date(day * 86_400_000 + 1000);
    const line = { instance: "i", stream: "stdout", text: "early", artifact: "a", scope: "production" };
    await services()
      .db.insertInto("server_lines")
      .values({ organization: "o", server: "s", id: "lin_1", at: time, request: null, ...line })
      .execute();
    const later = { ...services(), clock: { now: () => time.getTime(), monotonic: () => 0 } };
    await maintainPartitions(later);
    await maintainPartitions(later);
    const { rows } = await sql<{
      part: string;
    }>`select tableoid::regclass::text as part from server_lines where id = 'lin_1'`.execute(services().db);
    expect(rows).toEqual([{ part: `server_lines_${time.toISOString().slice(0, 10).replaceAll("-", "")}` }]);
  });
});

describe("a queue of records", () => {
  it("loses only the row that its table refuses, and says so", async () => {
    const written: string[] = [];
    const said: string[] = [];
    const queue = createQueue<string>({
      name: "rows",
      capacity: 100,
      intervalMs: 10_000,
      batch: 10,
      log: createLog((line) => said.push(line)),
      async write(rows) {
        if (rows.includes("bad")) throw Object.assign(new Error("no such text"), { code: "22P05" });
        written.push(...rows);
      },
    });
    const rows = Array.from({ length: 30 }, (_, index) => (index === 13 ? "bad" : `row ${index}`));
    for (const row of rows) queue.push(row);
    await queue.close();
    expect(written).toEqual(rows.filter((row) => row !== "bad"));
    expect(said.filter((line) => line.includes("refused by its table"))).toHaveLength(1);
  });
});

describe("concurrent first deploys of one server", () => {
  it("make one server, and every build is queued, with and without a new allowed host", async () => {
    const builds = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        world.owner.client.call("startBuild", at, {
          server: "contended",
          allowPrivate: n % 2 === 0,
          source: { kind: "git", url: `http://127.0.0.1:${n + 1}/a.git` },
        }),
      ),
    );
    expect(new Set(builds.map((build) => build.id)).size).toBe(12);
    const { items } = await world.owner.client.call("listServers", at);
    expect(items.filter((server) => server.slug === "contended")).toHaveLength(1);
    expect(await world.owner.client.call("verifyAudit", at)).toMatchObject({ intact: true });
  });
});

describe("the owner's key file", () => {
  it("that a kill left with a key that was never stored is written anew", async () => {
    const never = newKeySecret().key;
    writeFileSync(world.system.ownerKeyFile, `${never}\n`);
    await world.restart();
    const key = (await readFile(world.system.ownerKeyFile, "utf8")).trim();
    expect(key).not.toBe(never);
    const me = await createClient({ url: world.url, key }).call("me", {});
    expect(me.principal.id).toBe(world.owner.id);
  });

  it("stays as it is when its key was revoked", async () => {
    const before = (await readFile(world.system.ownerKeyFile, "utf8")).trim();
    const client = createClient({ url: world.url, key: before });
    const { items } = await client.call("listKeys", at, { limit: 200 });
    const own = items.find((key) => before.startsWith(key.prefix) && key.label === "owner.key")!;
    await client.call("revokeKey", { ...at, key: own.id });
    await world.restart();
    expect((await readFile(world.system.ownerKeyFile, "utf8")).trim()).toBe(before);
  });
});
