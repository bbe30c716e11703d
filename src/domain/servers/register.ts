import { OffingError } from "../../contract/errors.ts";
import type { Given, Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { newId } from "../../lib/ids.ts";
import type { Era } from "../../mcp/eras.ts";
import type { Manifest } from "../../mcp/manifest.ts";
import { storableJson } from "../../store/storable.ts";
import { inOrganization, may, requirePermission, requireRole } from "../authorize.ts";
import { actorId, type Context } from "../context.ts";
import { type Write, write } from "../write.ts";
import { sameEras } from "./eras.ts";
import { endpointUrl } from "./endpoint.ts";
import { discovered } from "./discovered.ts";
import { readServerUrl, type ServerUrl, slugsOf } from "./server-url.ts";

/** Milliseconds after which a server that was registered is asked in both eras. */
const COMPLETE_MS = 30_000;

type RegisterServer = Given<Routes["registerServer"]>;

/**
 * Puts a server that runs elsewhere behind the gate, once it has said what it is;
 * under the slug of one that is there already, gives that a new URL and
 * manifest. A new one needs the organization role `admin`, as a first deploy does.
 */
export async function registerServer(
  ctx: Context,
  input: { organization: string } & RegisterServer,
): Promise<Output<Routes["registerServer"]>> {
  const organization = inOrganization(ctx, input.organization);
  const at = readServerUrl(input.url);
  if (input.allowPrivate === true) requireRole(ctx, "admin", "Letting a private host through");
  const place = await placeOf(ctx, organization, at, input.server);
  const allow = input.allowPrivate === true ? { host: at.host, port: at.port } : undefined;
  const manifest = await discovered(ctx.externals, organization, at, {
    ...(allow === undefined ? {} : { allow }),
    known: "id" in place ? await knownEras(ctx, organization, place.id, at) : [],
    frugal: true,
  });
  const slug = await write(ctx, organization, async (w) => {
    if (allow !== undefined) await allowHost(ctx, w, organization, allow);
    return store(ctx, w, { organization, at, manifest, place });
  });
  const { slug: organizationSlug } = await ctx.db
    .selectFrom("organizations")
    .select("slug")
    .where("id", "=", organization)
    .executeTakeFirstOrThrow();
  return {
    server: `${organizationSlug}/${slug}`,
    endpoint: endpointUrl(ctx.publicUrl(), organizationSlug, slug, "live"),
    capabilities: manifest.items.length,
  };
}

/** A server that is there, or the slugs under which a new one may stand, the best first. */
type Place = { readonly id: string; readonly slug: string } | { readonly slugs: readonly string[] };

interface Found {
  readonly organization: string;
  readonly id: string;
  readonly slug: string;
  readonly kind: string;
}

/** Decided before anything is dialled, so that who may not register learns nothing of what is reachable. */
async function placeOf(
  ctx: Context,
  organization: string,
  at: ServerUrl,
  given: string | undefined,
): Promise<Place> {
  if (given !== undefined) {
    const found = await findServer(ctx, organization, given);
    if (found === undefined || !may(ctx, found, "discover")) return newPlace(ctx, [given]);
    requirePermission(ctx, found, "administer");
    if (found.kind !== "external") throw taken(given);
    return found;
  }
  const same = await ctx.db
    .selectFrom("external_servers as e")
    .innerJoin("servers as s", (join) =>
      join.onRef("s.organization", "=", "e.organization").onRef("s.id", "=", "e.server"),
    )
    .select(["s.organization", "s.id", "s.slug"])
    .where("e.organization", "=", organization)
    .where("e.url", "=", at.url)
    .orderBy("s.created_at")
    .executeTakeFirst();
  if (same !== undefined && may(ctx, same, "administer")) return same;
  return newPlace(ctx, slugsOf(at));
}

function newPlace(ctx: Context, slugs: readonly string[]): Place {
  requireRole(ctx, "admin", "Making a server");
  return { slugs };
}

function findServer(ctx: Context, organization: string, slug: string): Promise<Found | undefined> {
  return ctx.db
    .selectFrom("servers")
    .select(["organization", "id", "slug", "kind"])
    .where("organization", "=", organization)
    .where("slug", "=", slug)
    .executeTakeFirst();
}

interface Storing {
  readonly organization: string;
  readonly at: ServerUrl;
  readonly manifest: Manifest;
  readonly place: Place;
}

/** Stores the server; answers its slug. */
async function store(
  ctx: Context,
  w: Write,
  { organization, at, manifest, place }: Storing,
): Promise<string> {
  const { tx, audit, change } = w;
  const server = "id" in place ? place : await make(ctx, w, organization, place.slugs);
  const now = new Date(ctx.clock.now());
  const said = { manifest: storableJson(manifest), refreshed_at: now, checked_at: now, problem: null };
  const before = await tx
    .selectFrom("external_servers")
    .select(["url", "endpoint", "manifest"])
    .where("organization", "=", organization)
    .where("server", "=", server.id)
    .forUpdate()
    .executeTakeFirst();
  const same = before?.url === at.url && sameEras(before.manifest as unknown as Manifest, manifest);
  const endpoint = same ? before.endpoint : newId("dep", ctx.clock.now());
  await tx
    .insertInto("external_servers")
    .values({ organization, server: server.id, endpoint, url: at.url, credential: "none", ...said })
    .onConflict((conflict) =>
      conflict.columns(["organization", "server"]).doUpdateSet({ endpoint, url: at.url, ...said }),
    )
    .execute();
  audit("server.register", server.id, { slug: server.slug, host: `${at.host}:${at.port}` });
  await change("server", server.id);
  if (!manifest.eras.includes("handshake")) {
    // What speaks the stateless era may speak the other one too; that is asked when it serves.
    const key = `refresh:${server.id}`;
    await ctx.jobs.add(tx, "refresh", { organization, server: server.id }, { key, afterMs: COMPLETE_MS });
  }
  return server.slug;
}

/** In which eras the server at this very address was found to answer before. */
async function knownEras(
  ctx: Context,
  organization: string,
  server: string,
  at: ServerUrl,
): Promise<readonly Era[]> {
  const row = await ctx.db
    .selectFrom("external_servers")
    .select("manifest")
    .where("organization", "=", organization)
    .where("server", "=", server)
    .where("url", "=", at.url)
    .executeTakeFirst();
  return row === undefined ? [] : (row.manifest as unknown as Manifest).eras;
}

async function make(
  ctx: Context,
  { tx, audit }: Write,
  organization: string,
  slugs: readonly string[],
): Promise<{ id: string; slug: string }> {
  const id = newId("srv", ctx.clock.now());
  for (const slug of slugs) {
    const made = await tx
      .insertInto("servers")
      .values({ organization, id, slug, kind: "external", owner: actorId(ctx.actor) })
      .onConflict((conflict) => conflict.columns(["organization", "slug"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    if (made === undefined) continue;
    audit("server.create", id, { slug, kind: "external" });
    return { id, slug };
  }
  throw taken(slugs[0]!);
}

async function allowHost(
  ctx: Context,
  { tx, audit }: Write,
  organization: string,
  { host, port }: { host: string; port: number },
): Promise<void> {
  const added = await tx
    .insertInto("allowed_hosts")
    .values({ organization, host, port, created_by: actorId(ctx.actor) })
    .onConflict((conflict) => conflict.doNothing())
    .returning("host")
    .executeTakeFirst();
  if (added) audit("allowed_host.add", `${host}:${port}`, {});
}

function taken(slug: string): OffingError {
  return new OffingError("conflict", `another server has the name "${slug}"`, {
    hint: "choose another name: ./offing register URL --server SLUG",
  });
}
