import type { Change } from "../../store/changes.ts";
import type { Services } from "../context.ts";
import {
  type CompileOptions,
  compileEgress,
  compileKey,
  compilePrincipal,
  compileServer,
} from "./compile.ts";
import { compileSession, compileSessions } from "./compile-session.ts";

/**
 * Keeps this replica's snapshot true: loads it whole, then compiles each shard
 * that the change log names. The log is followed from before the load on, so
 * nothing falls in between; a shard compiled twice is the same shard.
 */
export async function followChanges(services: Services, options: CompileOptions): Promise<void> {
  const { db, snapshot } = services;

  const compile = async ({ organization, kind, subject }: Change): Promise<void> => {
    if (organization === null) return;
    switch (kind) {
      case "server":
        // With a server its host may have been let through.
        snapshot.apply(await compileEgress(db, organization));
        return snapshot.apply(await compileServer(db, organization, subject, options));
      case "key":
        return snapshot.apply(await compileKey(db, organization, subject));
      case "principal":
        return snapshot.apply(await compilePrincipal(db, organization, subject));
      case "session": {
        const shard = await compileSession(db, organization, subject);
        return shard && snapshot.apply(shard);
      }
      case "organization":
        return loadAll(organization);
    }
  };

  const loadAll = async (organization?: string): Promise<void> => {
    const of = <T extends { organization: string }>(rows: T[]) =>
      organization === undefined ? rows : rows.filter((row) => row.organization === organization);
    const [servers, keys, users, accounts, allowing, sessions] = await Promise.all([
      db.selectFrom("servers").select(["organization", "id"]).execute(),
      db.selectFrom("keys").select(["organization", "id"]).where("revoked_at", "is", null).execute(),
      db.selectFrom("memberships").select(["organization", "user as id"]).execute(),
      db.selectFrom("service_accounts").select(["organization", "id"]).execute(),
      db.selectFrom("allowed_hosts").select("organization").distinct().execute(),
      compileSessions(db, services.clock.now()),
    ]);
    for (const row of of(allowing)) snapshot.apply(await compileEgress(db, row.organization));
    for (const row of of(users)) snapshot.apply(await compilePrincipal(db, row.organization, row.id));
    for (const row of of(accounts)) snapshot.apply(await compilePrincipal(db, row.organization, row.id));
    for (const row of of(keys)) snapshot.apply(await compileKey(db, row.organization, row.id));
    for (const row of of(servers)) snapshot.apply(await compileServer(db, row.organization, row.id, options));
    for (const { shard } of of(sessions)) snapshot.apply(shard);
  };

  let loaded: Promise<void> | undefined;
  await services.changes.follow(async (batch) => {
    await loaded;
    const distinct = new Map(
      batch.map((change) => [`${change.organization}/${change.kind}/${change.subject}`, change]),
    );
    for (const change of distinct.values()) await compile(change);
  });
  loaded = loadAll();
  await loaded;
}
