import { sql } from "kysely";
import { canonicalHash } from "../../lib/canonical.ts";
import { newId } from "../../lib/ids.ts";
import type { Manifest } from "../../mcp/manifest.ts";
import { storableJson } from "../../store/storable.ts";
import type { Context, Services } from "../context.ts";
import { write } from "../write.ts";
import { sameEras } from "./eras.ts";
import { problemOf } from "./discovered.ts";
import { forgetRefusals } from "./keep-refusal.ts";

/** Milliseconds for which what was found of a server is believed without asking again. */
export const VERDICT_MS = 60 * 60_000;
/** The same for one that could not be asked. */
const PROBLEM_MS = 5 * 60_000;

/**
 * Asks an external server anew in which eras it answers and what it offers.
 * What it does not say stays: an era is given up for evidence only, and a server
 * that cannot be asked keeps its manifest. What refusals have taught is believed as
 * long: nothing tells of other code behind the same URL.
 */
export async function refreshServer(
  services: Services,
  { organization, server }: { organization: string; server: string },
): Promise<void> {
  const { db } = services;
  const row = await db
    .selectFrom("external_servers")
    .select(["url", "manifest"])
    .where("organization", "=", organization)
    .where("server", "=", server)
    .executeTakeFirst();
  if (row === undefined) return;
  const before = row.manifest as unknown as Manifest;
  const { url } = row;
  let manifest: Manifest;
  try {
    manifest = await services.externals.discover(organization, url, { known: before.eras });
  } catch (error) {
    await note(services, { organization, server, url }, problemOf(error));
    return;
  }
  const ctx: Context = { ...services, actor: { kind: "system", job: "refresh" } };
  await forgetRefusals(ctx, { organization, server }, VERDICT_MS);
  if (canonicalHash(manifest) === canonicalHash(before)) {
    await note(services, { organization, server, url }, null);
    return;
  }
  const now = new Date(services.clock.now());
  await write(ctx, organization, async (w) => {
    const updated = await w.tx
      .updateTable("external_servers")
      .set({
        manifest: storableJson(manifest),
        refreshed_at: now,
        checked_at: now,
        problem: null,
        ...(sameEras(before, manifest) ? {} : { endpoint: newId("dep", services.clock.now()) }),
      })
      .where("organization", "=", organization)
      .where("server", "=", server)
      // Registered anew meanwhile: what was found is of another place.
      .where("url", "=", url)
      .returning("server")
      .executeTakeFirst();
    if (updated === undefined) return;
    w.audit("server.refresh", server, { eras: manifest.eras, capabilities: manifest.items.length });
    await w.change("server", server);
  });
}

async function note(
  { db, clock }: Services,
  at: { organization: string; server: string; url: string },
  problem: string | null,
): Promise<void> {
  const now = new Date(clock.now());
  await db
    .updateTable("external_servers")
    .set({ checked_at: now, problem, ...(problem === null ? { refreshed_at: now } : {}) })
    .where("organization", "=", at.organization)
    .where("server", "=", at.server)
    .where("url", "=", at.url)
    .execute();
}

/** Has every server asked whose verdict has expired; each by a job of its own. */
export async function refreshDue({ db, jobs, clock }: Services): Promise<void> {
  const before = (ms: number) => new Date(clock.now() - ms);
  await db.transaction().execute(async (tx) => {
    const due = await tx
      .selectFrom("external_servers")
      .select(["organization", "server"])
      .where(({ eb, or, and }) =>
        or([
          eb("checked_at", "<=", before(VERDICT_MS)),
          and([eb("problem", "is not", null), eb("checked_at", "<=", before(PROBLEM_MS))]),
        ]),
      )
      .orderBy(sql`checked_at`)
      .limit(200)
      .execute();
    for (const each of due) await jobs.add(tx, "refresh", each, { key: `refresh:${each.server}` });
  });
}
