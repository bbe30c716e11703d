import type { Readable } from "node:stream";
import { OffingError } from "../../contract/errors.ts";
import { newId } from "../../lib/ids.ts";
import { BlobTooLarge } from "../../store/blobs.ts";
import { inOrganization } from "../authorize.ts";
import { actorId, type Context } from "../context.ts";
import { write } from "../write.ts";

/** Keeps an uploaded Git bundle until a build uses it. */
export async function createUpload(
  ctx: Context,
  input: { organization: string; maxBytes: number },
  body: Readable,
): Promise<{ id: string; sizeBytes: number }> {
  const organization = inOrganization(ctx, input.organization);
  const id = newId("upl", ctx.clock.now());
  const { digest, sizeBytes } = await ctx.blobs.put(body, input.maxBytes).catch((error: unknown) => {
    if (error instanceof BlobTooLarge) {
      throw new OffingError("too_large", `an upload may have at most ${input.maxBytes / 1024 / 1024} MiB`, {
        hint: "keep large files out of the repository, or deploy from a Git URL",
      });
    }
    throw error;
  });
  await write(ctx, organization, async ({ tx, audit }) => {
    await tx
      .insertInto("uploads")
      .values({ organization, id, blob: digest, size_bytes: sizeBytes, created_by: actorId(ctx.actor) })
      .execute();
    await audit("upload.create", id, { digest, sizeBytes });
  });
  return { id, sizeBytes };
}
