import type { InspectRequest } from "../../build/ports.ts";
import type { StoredSource } from "../../store/tables.ts";
import type { Services } from "../context.ts";
import { isPreview } from "../deployments/scope.ts";
import { branchOf } from "../variables/environment.ts";
import { commandOf } from "./command.ts";
import type { Inspection } from "./inspect.ts";

/**
 * With which variables a build is inspected: those that it took when it
 * started, and none for a preview. Its commit and ref are written first, for
 * the instance is told of them.
 */
export async function inspectionOf({ db }: Services, request: InspectRequest): Promise<Inspection> {
  const { organization, build, commit, ref } = request;
  const row = await db
    .updateTable("builds")
    .set({ commit, ref })
    .where("organization", "=", organization)
    .where("id", "=", build)
    .returning(["variable_set", "source", "entrypoint", "dependency_file"])
    .executeTakeFirstOrThrow();
  const server = await db
    .selectFrom("servers")
    .select(["slug", "default_branch"])
    .where("organization", "=", organization)
    .where("id", "=", request.server)
    .executeTakeFirstOrThrow();
  const preview = isPreview(branchOf(ref), server.default_branch);
  return {
    scope: preview ? "preview" : "production",
    variables: preview ? null : row.variable_set,
    server: server.slug,
    again: commandOf(server.slug, { ...row, source: row.source as StoredSource }),
  };
}
