import { OffingError } from "../../contract/errors.ts";
import type { Tx } from "../../store/database.ts";

/** Locks a hosted server's row against other changes of what it is built with, to the end of the transaction. */
export async function lockHosted(
  tx: Tx,
  organization: string,
  id: string,
): Promise<{ organization: string; id: string; slug: string }> {
  const row = await tx
    .selectFrom("servers")
    .select(["organization", "id", "slug", "kind"])
    .where("organization", "=", organization)
    .where("id", "=", id)
    .forNoKeyUpdate()
    .executeTakeFirstOrThrow();
  if (row.kind !== "hosted") {
    throw new OffingError("precondition", `${row.slug} is not built here, so it has no variables`, {
      hint: "set them where the server itself runs",
    });
  }
  return row;
}
