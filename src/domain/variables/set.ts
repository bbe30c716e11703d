import { OffingError } from "../../contract/errors.ts";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { refusedName, variableLimits } from "../../contract/variables.ts";
import { isSlug } from "../../contract/slugs.ts";
import { inOrganization, notFound } from "../authorize.ts";
import type { Context } from "../context.ts";
import { findOrMakeServer } from "../servers/find-or-make.ts";
import { loadServer } from "../servers/load.ts";
import { lockHosted } from "../servers/lock.ts";
import { write } from "../write.ts";
import { makeSet } from "./sets.ts";
import { viewChange } from "./view.ts";

/**
 * Sets variables of a server, in one new set that its next build takes. Who
 * may deploy code reads and replaces what the code reads anyway, so `edit` suffices.
 */
export async function setVariables(
  ctx: Context,
  input: {
    organization: string;
    server: string;
    variables: Readonly<Record<string, string>>;
    create: boolean;
  },
): Promise<Output<Routes["setVariables"]>> {
  const organization = inOrganization(ctx, input.organization);
  const names = Object.keys(input.variables).sort();
  if (!isSlug(input.server)) throw notFound("server", input.server);
  const existing = input.create ? undefined : await loadExisting(ctx, input);
  check(input.variables, names);
  const server = await write(ctx, organization, async (w) => {
    const id = existing?.id ?? (await findOrMakeServer(ctx, w, organization, input.server, "edit"));
    const found = await lockHosted(w.tx, organization, id);
    await makeSet(ctx, w.tx, found, { values: input.variables, removed: [] });
    w.audit("variables.set", id, { scope: "production", names });
    return found;
  });
  return viewChange(ctx, server, names);
}

async function loadExisting(ctx: Context, input: { organization: string; server: string }) {
  try {
    return await loadServer(ctx, input, "edit");
  } catch (error) {
    if (!(error instanceof OffingError) || error.code !== "not_found") throw error;
    throw new OffingError("not_found", error.message, {
      hint: "a first deploy makes the server, also one that fails; or make it with its variables: --create",
      cause: error,
    });
  }
}

function check(variables: Readonly<Record<string, string>>, names: readonly string[]): void {
  if (names.length === 0) throw new OffingError("invalid", "there is no variable to set");
  const issues = names.flatMap((name) => {
    const message = refusedName(name) ?? refusedValue(variables[name]!);
    return message === undefined ? [] : [{ path: `variables.${name}`, message }];
  });
  const first = issues[0];
  if (first !== undefined)
    throw new OffingError("invalid", `${first.path.slice("variables.".length)}: ${first.message}`, {
      issues,
    });
}

function refusedValue(value: string): string | undefined {
  return Buffer.byteLength(value) > variableLimits.valueBytes
    ? `a value has at most ${variableLimits.valueBytes / 1024} KiB`
    : undefined;
}
