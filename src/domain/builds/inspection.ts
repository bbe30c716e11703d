import type { InspectRequest } from "../../build/ports.ts";
import type { StoredSource } from "../../store/tables.ts";
import type { Services } from "../context.ts";
import { isPreview } from "../deployments/scope.ts";
import { maskOf } from "../../runner/mask.ts";
import { openSet } from "../variables/sets.ts";
import { commandOf } from "./command.ts";
import type { Inspection } from "./inspect.ts";

/**
 * With which variables a build is inspected: those that it took when it
 * started, and none for a preview. What it is of is decided here, once, and written
 * with its commit and ref: the instance is told of them, and it is selected by that.
 */
export async function inspectionOf(services: Services, request: InspectRequest): Promise<Inspection> {
  const { db } = services;
  const { organization, build, commit, ref } = request;
  const server = await db
    .selectFrom("servers")
    .select(["slug", "default_branch"])
    .where("organization", "=", organization)
    .where("id", "=", request.server)
    .executeTakeFirstOrThrow();
  // Builds of one server run one after another, so that no other one changes the default branch before the end.
  const scope = isPreview(ref, server.default_branch) ? "preview" : "production";
  const row = await db
    .updateTable("builds")
    .set({ commit, ref, scope })
    .where("organization", "=", organization)
    .where("id", "=", build)
    .returning(["variable_set", "source", "entrypoint", "dependency_file"])
    .executeTakeFirstOrThrow();
  const variables = scope === "preview" ? null : row.variable_set;
  return {
    scope,
    variables,
    mask: async () => maskOf(variables === null ? {} : await openSet(services, organization, variables)),
    server: server.slug,
    again: commandOf(server.slug, { ...row, source: row.source as StoredSource }),
  };
}
