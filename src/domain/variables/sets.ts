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
  const row = await db
    .selectFrom("variable_sets")
    .select("id")
    .where("organization", "=", at.organization)
    .where("server", "=", at.server)
    .where("scope", "=", at.scope)
    .orderBy("seq", "desc")
    .executeTakeFirst();
  return row?.id;
}

/** The plain values of a set. Throws when one of them cannot be opened: the keyring is not the one that sealed it. */
export async function openSet(
  { db, secrets }: Pick<Services, "db" | "secrets">,
  organization: string,
  set: string,
): Promise<Record<string, string>> {
  const rows = await db
    .selectFrom("variables as v")
    .innerJoin("variable_sets as s", (join) =>
      join.onRef("s.organization", "=", "v.organization").onRef("s.id", "=", "v.variable_set"),
    )
    .select(["v.name", "v.sealed", "s.server", "s.scope"])
    .where("v.organization", "=", organization)
    .where("v.variable_set", "=", set)
    .orderBy("v.name")
    .execute();
  return Object.fromEntries(
    rows.map(({ name, sealed, server, scope }) => {
      const plain = secrets.open(contextOf(organization, server, scope, name), sealed);
      if (plain === undefined) {
        throw new OffingError("unavailable", `the variable ${name} was sealed with a key that is not here`, {
          hint: "restore the keyring of this program, or set the variable again and deploy",
        });
      }
      return [name, plain.toString()];
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
}

/** A sealed value is longer than the plain one by a constant, so its length bounds it. */
async function requireBounds(tx: Tx, organization: string, set: string): Promise<void> {
  const all = await tx
    .selectFrom("variables")
    .select(({ fn }) => [
      fn.countAll<string>().as("names"),
      fn.sum<string>(fn<number>("length", ["sealed"])).as("bytes"),
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
