import type { Principal } from "../../policy/decide.ts";
import type { Actor, Services } from "../context.ts";

/** A proven principal as the actor of verbs. */
export async function actorOf(
  services: Services,
  principal: Exclude<Principal, { kind: "anonymous" }>,
): Promise<Actor> {
  const { slug } = await services.db
    .selectFrom("organizations")
    .select("slug")
    .where("id", "=", principal.organization)
    .executeTakeFirstOrThrow();
  return { ...principal, organizationSlug: slug };
}
