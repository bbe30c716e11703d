import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { notFound } from "../authorize.ts";
import type { Context } from "../context.ts";
import { loadServer } from "../servers/load.ts";
import { lockHosted } from "../servers/lock.ts";
import { write } from "../write.ts";
import { makeSet, newestSet } from "./sets.ts";
import { viewChange } from "./view.ts";

/** Removes variables of a server, all of them or none, in one new set that its next build takes. */
export async function removeVariables(
  ctx: Context,
  input: { organization: string; server: string; names: readonly string[] },
): Promise<Output<Routes["removeVariables"]>> {
  const server = await loadServer(ctx, input, "edit");
  const { organization } = server;
  const names = [...new Set(input.names)].sort();
  await write(ctx, organization, async ({ tx, audit }) => {
    await lockHosted(tx, organization, server.id);
    const set = await newestSet(tx, { organization, server: server.id, scope: "production" });
    const there = await tx
      .selectFrom("variables")
      .select("name")
      .where("organization", "=", organization)
      .where("variable_set", "=", set ?? "")
      .where("name", "in", names)
      .execute();
    const absent = names.filter((name) => !there.some((row) => row.name === name));
    if (absent.length > 0) throw notFound(`variable of ${server.slug},`, absent.join(", "));
    await makeSet(ctx, tx, server, { values: {}, removed: names });
    audit("variables.remove", server.id, { scope: "production", names });
  });
  return viewChange(ctx, server, names);
}
