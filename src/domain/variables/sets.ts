import { sql } from "kysely";
import { OffingError } from "../../contract/errors.ts";
import { variableLimits } from "../../contract/variables.ts";
import { newId } from "../../lib/ids.ts";
import type { Db, Tx } from "../../store/database.ts";
import { actorId, type Context, type Services } from "../context.ts";
import type { LoadedServer } from "../servers/load.ts";

export type Scope = "production" | "preview";

/** What binds a sealed value to the one variable that it is of. */
function contextOf(organization: string, server: string, scope: Scope, name: string): string {
  return `variable ${organization}/${server}/${scope}/${name}`;
}

/** The set that the next build of this scope takes; undefined where none was ever made. */
export async function newestSet(
  db: Db | Tx,
  at: { organization: string; server: string; scope: Scope },
): Promise<string | undefined> {
  return (await selectNewest(db, at).executeTakeFirst())?.id;
}

/** The same as a query, for a statement that reads on from there. */
export function selectNewest(db: Db | Tx, at: { organization: string; server: string; scope: Scope }) {
  return db
    .selectFrom("variable_sets")
    .select("id")
    .where("organization", "=", at.organization)
    .where("server", "=", at.server)
    .where("scope", "=", at.scope)
    .orderBy("seq", "desc")
    .limit(1);
}

/** The plain values of a set. Throws `unavailable` when it is gone, or when the keyring is not the one that sealed it. */
export async function openSet(
  { db, secrets }: Pick<Services, "db" | "secrets">,
  organization: string,
  set: string,
): Promise<Record<string, string>> {
  // One statement: a set that is forgotten between two would look like one without variables.
  const rows = await db
    .selectFrom("variable_sets as s")
    .leftJoin("variables as v", (join) =>
      join.onRef("v.organization", "=", "s.organization").onRef("v.variable_set", "=", "s.id"),
    )
    .select(["v.name", "v.sealed", "s.server", "s.scope"])
    .where("s.organization", "=", organization)
    .where("s.id", "=", set)
    .orderBy("v.name")
    .execute();
  if (rows.length === 0) {
    throw new OffingError("unavailable", `the set of variables ${set} is not there any more`, {
      hint: "deploy the server again: the build takes its newest variables",
    });
  }
  return Object.fromEntries(
    rows.flatMap(({ name, sealed, server, scope }) => {
      if (name === null || sealed === null) return [];
      const plain = secrets.open(contextOf(organization, server, scope, name), sealed);
      if (plain === undefined) {
        throw new OffingError("unavailable", `the variable ${name} was sealed with a key that is not here`, {
          hint: "restore the keyring of this program, or set the variable again and deploy",
        });
      }
      return [[name, plain.toString()]];
    }),
  );
}

/** Makes the server's next set: the newest one with `values` put in, and without `removed`. Call with the server locked. */
export async function makeSet(
  ctx: Context,
  tx: Tx,
  server: Pick<LoadedServer, "organization" | "id">,
  change: { values: Readonly<Record<string, string>>; removed: readonly string[] },
): Promise<void> {
  const scope = "production";
  const { organization } = server;
  const before = await newestSet(tx, { organization, server: server.id, scope });
  const at = new Date(ctx.clock.now());
  const id = newId("set", ctx.clock.now());
  const by = actorId(ctx.actor);
  await tx
    .insertInto("variable_sets")
    .values({ organization, id, server: server.id, scope, created_by: by, created_at: at })
    .execute();
  const names = [...Object.keys(change.values), ...change.removed];
  if (before !== undefined) {
    await tx
      .insertInto("variables")
      .columns(["organization", "variable_set", "name", "sealed", "updated_by", "updated_at"])
      .expression((e) =>
        e
          .selectFrom("variables")
          .select([
            "organization",
            e.val(id).as("variable_set"),
            "name",
            "sealed",
            "updated_by",
            "updated_at",
          ])
          .where("organization", "=", organization)
          .where("variable_set", "=", before)
          .where("name", "not in", names),
      )
      .execute();
  }
  const rows = Object.entries(change.values).map(([name, value]) => ({
    organization,
    variable_set: id,
    name,
    sealed: ctx.secrets.seal(contextOf(organization, server.id, scope, name), Buffer.from(value)),
    updated_by: by,
    updated_at: at,
  }));
  if (rows.length > 0) await tx.insertInto("variables").values(rows).execute();
  await requireBounds(tx, organization, id);
  if (before !== undefined) await forgetUntaken(tx, organization, before);
}

/** A set that was replaced before any build took it is of no use. A build takes its own with the server locked. */
async function forgetUntaken(tx: Tx, organization: string, set: string): Promise<void> {
  await tx
    .deleteFrom("variable_sets as s")
    .where("s.organization", "=", organization)
    .where("s.id", "=", set)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("deployments as d")
            .select("d.id")
            .whereRef("d.organization", "=", "s.organization")
            .whereRef("d.variable_set", "=", "s.id"),
        ),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("builds as b")
            .select("b.id")
            .whereRef("b.organization", "=", "s.organization")
            .whereRef("b.variable_set", "=", "s.id")
            .where("b.status", "in", ["queued", "building"]),
        ),
      ),
    )
    .execute();
}

/** A sealed value is longer than the plain one by a constant, so its length bounds it. A name is ASCII. */
async function requireBounds(tx: Tx, organization: string, set: string): Promise<void> {
  const all = await tx
    .selectFrom("variables")
    .select(({ fn }) => [
      fn.countAll<string>().as("names"),
      sql<string | null>`sum(length(sealed) + length(name))`.as("bytes"),
    ])
    .where("organization", "=", organization)
    .where("variable_set", "=", set)
    .executeTakeFirstOrThrow();
  if (Number(all.names) > variableLimits.names)
    throw new OffingError("too_large", `a server has at most ${variableLimits.names} variables`);
  if (Number(all.bytes ?? 0) > variableLimits.totalBytes) {
    throw new OffingError(
      "too_large",
      `a server's variables have at most ${variableLimits.totalBytes / 1024} KiB together`,
      { hint: "keep large files in the repository or in a store of their own" },
    );
  }
}
