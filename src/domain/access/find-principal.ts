import { notFound } from "../authorize.ts";
import type { Context } from "../context.ts";
import { loadPrincipal } from "../principals/load.ts";

/** A principal that acts in this organization, as views show it. */
export async function findPrincipal(ctx: Context, organization: string, id: string) {
  const principal = await loadPrincipal(ctx.db, organization, id);
  if (principal === undefined) throw notFound("principal", id);
  return { id: principal.id, kind: principal.kind, name: principal.name };
}
