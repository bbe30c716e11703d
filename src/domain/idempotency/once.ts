import { sql } from "kysely";
import { OffingError } from "../../contract/errors.ts";
import { canonicalHash } from "../../lib/canonical.ts";
import type { Db, Tx } from "../../store/database.ts";
import { storableJson } from "../../store/storable.ts";
import { actorId, type Context } from "../context.ts";
import { inOrganization } from "../authorize.ts";

/** A claim older than this without an answer is of a program that was killed. */
const STALE_SECONDS = 60;
/** The verb's transaction is committed; its answer is not stored yet. */
const SETTLED = 102;
const DONE = 200;

/**
 * Runs a verb once per idempotency key: a repeated request gets the first
 * one's answer, another request under the same key is refused. A failed
 * verb frees its key. The key is settled in the verb's own transaction, so
 * that a kill in between repeats nothing.
 * (After draft-ietf-httpapi-idempotency-key-header.)
 */
export async function once<T>(
  ctx: Context,
  key: string | undefined,
  request: { route: string; organization: string; input: unknown },
  verb: (ctx: Context) => Promise<T>,
): Promise<T> {
  if (key === undefined) return verb(ctx);
  if (key.length > 200) throw new OffingError("invalid", "an Idempotency-Key has at most 200 characters");
  const organization = inOrganization(ctx, request.organization);
  const digest = canonicalHash({ route: request.route, input: request.input });
  const row = { organization, principal: actorId(ctx.actor), key };
  const claimed = await ctx.db
    .insertInto("idempotency")
    .values({ ...row, request: digest })
    .onConflict((conflict) =>
      conflict
        .columns(["organization", "principal", "key"])
        .doUpdateSet({ created_at: sql<Date>`now()` })
        .where("idempotency.request", "=", digest)
        .where("idempotency.status", "is", null)
        .where("idempotency.created_at", "<", sql<Date>`now() - make_interval(secs => ${STALE_SECONDS})`),
    )
    .returning("key")
    .executeTakeFirst();
  const mine = ctx.db
    .selectFrom("idempotency")
    .where("organization", "=", organization)
    .where("principal", "=", row.principal)
    .where("key", "=", key);
  if (claimed === undefined) {
    const first = await mine
      .select(["request", "status", "body"])
      .select(sql<boolean>`created_at < now() - make_interval(secs => ${STALE_SECONDS})`.as("stale"))
      .executeTakeFirst();
    if (first !== undefined && first.request !== digest) {
      throw new OffingError("conflict", "this Idempotency-Key was used for another request", {
        hint: "use a new key",
      });
    }
    if (first?.status === SETTLED && first.stale) {
      throw new OffingError(
        "conflict",
        "the first request with this Idempotency-Key took effect, but its answer was lost",
        { hint: "look at what is there; nothing was done twice" },
      );
    }
    if (first === undefined || first.status !== DONE) {
      throw new OffingError("conflict", "the first request with this Idempotency-Key is still running", {
        hint: "ask again in a moment",
      });
    }
    return first.body as T;
  }
  const update = (db: Db | Tx) =>
    db
      .updateTable("idempotency")
      .where("organization", "=", organization)
      .where("principal", "=", row.principal)
      .where("key", "=", key);
  const settle = async (tx: Tx) => void (await update(tx).set({ status: SETTLED }).execute());
  try {
    const result = await verb({ ...ctx, claim: { settle } });
    await update(ctx.db)
      .set({ status: DONE, body: storableJson(result) })
      .execute();
    return result;
  } catch (error) {
    await ctx.db
      .deleteFrom("idempotency")
      .where("organization", "=", organization)
      .where("principal", "=", row.principal)
      .where("key", "=", key)
      .where("status", "is", null)
      .execute();
    throw error;
  }
}
