import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { inject } from "vitest";
import { readEnv, toConfig } from "../src/config.ts";
import { type Client, createClient } from "../src/contract/client.ts";
import { createKey } from "../src/domain/keys/create.ts";
import { loadPrincipal } from "../src/domain/principals/load.ts";
import { write } from "../src/domain/write.ts";
import { newId, randomText } from "../src/lib/ids.ts";
import type { Log } from "../src/lib/log.ts";
import type { OrganizationRole } from "../src/policy/permissions.ts";
import { findBwrap } from "../src/main/bwrap.ts";
import { testCache } from "./cache.ts";
import { startSystem, type System, type SystemOptions } from "../src/main/system.ts";

export interface World extends AsyncDisposable {
  readonly system: System;
  readonly url: string;
  readonly dataDir: string;
  /** The owner of organization `default`. */
  readonly owner: Caller;
  /** Everything that the program logged. */
  readonly logged: string[];
  /** A new member of an organization, with a key. */
  member(role: OrganizationRole, organization?: string): Promise<Caller>;
  /** A second tenant with its owner. */
  organization(slug: string): Promise<Caller>;
  /** Stops the program and starts it again over the same data. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface Caller {
  readonly id: string;
  readonly organization: string;
  readonly slug: string;
  readonly key: string;
  readonly client: Client;
}

/** A whole Offing in this process, on real sockets and a database of its own. */
export async function openWorld(
  options: Partial<Pick<SystemOptions, "clock" | "buildLimits" | "web">> & {
    env?: Record<string, string>;
  } = {},
): Promise<World> {
  const dataDir = mkdtempSync(join(tmpdir(), "offing-world-"));
  const database = await createDatabase();
  const logged: string[] = [];
  const to =
    (level: string) =>
    (message: string, detail: object = {}) =>
      void logged.push(`${level} ${message} ${JSON.stringify(detail)}`);
  const log: Log = { info: to("info"), warn: to("warn"), error: to("error") };
  const env = { ...process.env, ...options.env };
  const config = toConfig({
    ...readEnv({ ...env, DATABASE_URL: "" }),
    data: dataDir,
    cache: testCache,
    port: "0",
  });
  const bwrap = await findBwrap({ cacheDir: config.cacheDir, python: config.python, env, say: () => {} });
  const start = () =>
    startSystem({
      config,
      log,
      env,
      bwrap,
      connection: database.connection,
      ...(options.clock ? { clock: options.clock } : {}),
      ...(options.buildLimits ? { buildLimits: options.buildLimits } : {}),
      ...(options.web ? { web: options.web } : {}),
    });
  let system = await start();

  const caller = (id: string, organization: string, slug: string, key: string): Caller => ({
    id,
    organization,
    slug,
    key,
    get client() {
      return createClient({ url: system.localUrl, key });
    },
  });

  const addUser = async (
    organization: string,
    slug: string,
    role: OrganizationRole,
    isNew: boolean,
  ): Promise<Caller> => {
    const ctx = system.context({ kind: "system", job: "test" });
    const id = newId("usr");
    await write(ctx, organization, async ({ tx, change, audit }) => {
      if (isNew)
        await tx.insertInto("organizations").values({ id: organization, slug, name: slug }).execute();
      await tx
        .insertInto("users")
        .values({ id, email: `${id}@example.com`, name: `A ${role}` })
        .execute();
      await tx.insertInto("memberships").values({ organization, user: id, role }).execute();
      audit("user.create", id);
      await change(isNew ? "organization" : "principal", isNew ? organization : id);
    });
    const principal = await loadPrincipal(system.services.db, organization, id);
    const { key } = await createKey(system.context({ ...principal!, organizationSlug: slug }), {
      organization: slug,
      label: "test",
    });
    return caller(id, organization, slug, key);
  };

  const ownerKey = readFileSync(system.ownerKeyFile, "utf8").trim();
  const me = await createClient({ url: system.localUrl, key: ownerKey }).call("me", {});
  const world: World = {
    get system() {
      return system;
    },
    get url() {
      return system.url;
    },
    dataDir,
    logged,
    owner: caller(me.principal.id, me.organization.id, me.organization.slug, ownerKey),
    async member(role, organization = "default") {
      const row = await system.services.db
        .selectFrom("organizations")
        .select("id")
        .where("slug", "=", organization)
        .executeTakeFirstOrThrow();
      return addUser(row.id, organization, role, false);
    },
    organization: (slug) => addUser(newId("org"), slug, "owner", true),
    async restart() {
      await system.close();
      system = await start();
    },
    async close() {
      await system.close();
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => world.close(),
  };
  return world;
}

/** An empty database of its own in the run's PostgreSQL. */
export async function createDatabase(): Promise<{ connection: pg.PoolConfig; drop(): Promise<void> }> {
  const given = inject("postgres");
  const admin: pg.PoolConfig =
    "url" in given ? { connectionString: given.url } : { ...given, database: "postgres" };
  const name = `world_${randomText(12)}`;
  await run(admin, `create database ${name}`);
  const connection: pg.PoolConfig =
    "url" in given
      ? { connectionString: Object.assign(new URL(given.url), { pathname: `/${name}` }).href }
      : { ...given, database: name };
  return { connection, drop: () => run(admin, `drop database if exists ${name} with (force)`) };
}

async function run(config: pg.PoolConfig, statement: string): Promise<void> {
  const client = new pg.Client(config);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
