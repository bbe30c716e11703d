import { hash } from "node:crypto";
import { OffingError } from "../../contract/errors.ts";
import { canonicalJson } from "../../lib/canonical.ts";
import { actorId, type Context } from "../context.ts";
import { inOrganization } from "../authorize.ts";

/**
 * Runs a verb once per idempotency key: a repeated request gets the first
 * one's answer, another request under the same key is refused. A failed
 * verb frees its key. (After draft-ietf-httpapi-idempotency-key-header.)
 */
export async function once<T>(
  ctx: Context,
  key: string | undefined,
  request: { route: string; organization: string; input: unknown },
  verb: () => Promise<T>,
): Promise<T> {
  if (key === undefined) return verb();
  if (key.length > 200) throw new OffingError("invalid", "an Idempotency-Key has at most 200 characters");
  const organization = inOrganization(ctx, request.organization);
  const digest = hash("sha256", canonicalJson({ route: request.route, input: request.input }));
  const row = { organization, principal: actorId(ctx.actor), key };
  const claimed = await ctx.db
    .insertInto("idempotency")
    .values({ ...row, request: digest })
    .onConflict((conflict) => conflict.doNothing())
    .returning("key")
    .executeTakeFirst();
  const mine = ctx.db
    .selectFrom("idempotency")
    .where("organization", "=", organization)
    .where("principal", "=", row.principal)
    .where("key", "=", key);
  if (claimed === undefined) {
    const first = await mine.select(["request", "status", "body"]).executeTakeFirst();
    if (first !== undefined && first.request !== digest) {
      throw new OffingError("conflict", "this Idempotency-Key was used for another request", {
        hint: "use a new key",
      });
    }
    if (first === undefined || first.status === null) {
      throw new OffingError("conflict", "the first request with this Idempotency-Key is still running", {
        hint: "ask again in a moment",
      });
    }
    return first.body as T;
  }
  try {
    const result = await verb();
    await ctx.db
      .updateTable("idempotency")
      .set({ status: 200, body: JSON.stringify(result) })
      .where("organization", "=", organization)
      .where("principal", "=", row.principal)
      .where("key", "=", key)
      .execute();
    return result;
  } catch (error) {
    await ctx.db
      .deleteFrom("idempotency")
      .where("organization", "=", organization)
      .where("principal", "=", row.principal)
      .where("key", "=", key)
      .execute();
    throw error;
  }
}
