import type { Readable } from "node:stream";
import { OffingError } from "../../contract/errors.ts";
import { newId } from "../../lib/ids.ts";
import { BlobTooLarge } from "../../store/blobs.ts";
import { decide } from "../../policy/decide.ts";
import { inOrganization, requireRole } from "../authorize.ts";
import { actorId, type Context } from "../context.ts";
import { write } from "../write.ts";

/** Keeps an uploaded Git bundle for a day, and as long as a build needs it. For who may deploy something. */
export async function createUpload(
  ctx: Context,
  input: { organization: string; maxBytes: number },
  body: Readable,
): Promise<{ id: string; sizeBytes: number }> {
  const organization = inOrganization(ctx, input.organization);
  requireSomeDeploy(ctx, organization);
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
    audit("upload.create", id, { digest, sizeBytes });
  });
  return { id, sizeBytes };
}

function requireSomeDeploy(ctx: Context, organization: string): void {
  const { actor } = ctx;
  if (actor.kind === "system") return;
  for (const server of actor.grants.keys())
    if (decide(actor, { organization, server }, "deploy").effect === "allow") return;
  requireRole(ctx, "admin", 'Uploading without the server role "editor" on any server');
}
