import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { write } from "../../src/domain/write.ts";
import { newId } from "../../src/lib/ids.ts";
import { decide } from "../../src/policy/decide.ts";
import type { ServerRole } from "../../src/policy/permissions.ts";
import { deployed, serverSaying } from "../deploy.ts";
import { type Caller, openWorld, type World } from "../world.ts";

/** Invariant 1: nothing hidden is callable, nothing callable is hidden. */
const slugs = ["alpha", "beta", "gamma"] as const;
let world: World;
let members: Caller[];
const ids = new Map<string, string>();

beforeAll(async () => {
  world = await openWorld();
  const { build } = await deployed(world.owner, "alpha", serverSaying("x"));
  for (const slug of slugs.slice(1)) await copyOf("alpha", slug, build);
  for (const server of (await world.owner.client.call("listServers", { organization: "default" })).items)
    ids.set(server.slug, server.id);
  members = [await world.member("member"), await world.member("member"), await world.member("admin")];
});
afterAll(() => world.close());

/** Another server that is live with the same artifact. */
async function copyOf(
  slug: string,
  copy: string,
  build: { id: string; artifact: string | null },
): Promise<void> {
  const ctx = world.system.context({ kind: "system", job: "test" });
  const { organization } = world.owner;
  await write(ctx, organization, async ({ tx, change }) => {
    const found = await tx
      .selectFrom("servers")
      .selectAll()
      .where("slug", "=", slug)
      .executeTakeFirstOrThrow();
    const server = newId("srv");
    await tx
      .insertInto("servers")
      .values({ ...found, id: server, slug: copy })
      .execute();
    const manifest = await tx
      .selectFrom("manifests")
      .selectAll()
      .where("server", "=", found.id)
      .executeTakeFirstOrThrow();
    await tx
      .insertInto("manifests")
      .values({ ...manifest, server, manifest: JSON.stringify(manifest.manifest) })
      .execute();
    await tx
      .insertInto("deployments")
      .values({
        organization,
        id: newId("dep"),
        server,
        slug: "live",
        scope: "production",
        branch: null,
        artifact: build.artifact!,
        build: build.id,
      })
      .execute();
    await change("server", server);
  });
}

async function ask(
  caller: Caller,
  slug: string,
  method: string,
  params: object,
  session: string | null = null,
): Promise<{ status: number; session: string | null }> {
  const response = await fetch(`${world.url}/default/${slug}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${caller.key}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(session === null ? {} : { "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  await response.text();
  return { status: response.status, session: response.headers.get("mcp-session-id") };
}

const hello = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
};

const role = fc.constantFrom<(ServerRole | null)[]>(null, "viewer", "user", "editor", "admin");
const grants = fc.array(fc.array(role, { minLength: 3, maxLength: 3 }), { minLength: 3, maxLength: 3 });

describe("for any grants", () => {
  it("what the registry lists is what the gateway knows, and what may be called is what decide allows", async () => {
    await fc.assert(
      fc.asyncProperty(grants, async (table) => {
        for (const [who, row] of table.entries())
          for (const [which, given] of row.entries()) await set(members[who]!, slugs[which]!, given);
        for (const member of members) {
          const { items } = await member.client.call("listServers", { organization: "default" });
          const listed = new Set(items.map((server) => server.slug));
          for (const slug of slugs) {
            const principal = world.system.services.snapshot.principal(member.organization, member.id)!;
            const may = (permission: "discover" | "call") =>
              decide(principal, { organization: member.organization, server: ids.get(slug)! }, permission)
                .effect === "allow";
            expect(listed.has(slug)).toBe(may("discover"));
            const { status, session } = await ask(member, slug, "initialize", hello);
            expect(status).toBe(listed.has(slug) ? 200 : 404);
            const answer = { name: "answer", arguments: {} };
            const called = await ask(member, slug, "tools/call", answer, session);
            expect(called.status).toBe(may("call") ? 200 : may("discover") ? 403 : 404);
            const read = await member.client
              .call("getServer", { organization: "default", server: slug })
              .then((server) => server.slug)
              .catch((error: { code: string }) => error.code);
            expect(read).toBe(listed.has(slug) ? slug : "not_found");
          }
        }
      }),
      { numRuns: 5 },
    );
  });

  it("what a build says of the code is shown to those only who may read builds", async () => {
    const { build } = await deployed(world.owner, "failing", {
      "requirements.txt": "fastmcp>=4,<5\n",
      "main.py": "raise RuntimeError('words of the code')\n",
    });
    const [viewer, editor] = [members[0]!, members[1]!];
    await set(viewer, "failing", "viewer");
    await set(editor, "failing", "editor");
    const shown = async ({ client }: Caller) => {
      const one = await client.call("getServer", { organization: "default", server: "failing" });
      const { items } = await client.call("listServers", { organization: "default" });
      expect(items.find(({ slug }) => slug === "failing")).toEqual(one);
      return one;
    };
    const seen = await shown(viewer);
    expect(JSON.stringify(seen)).not.toContain("words of the code");
    expect(seen).toMatchObject({
      status: "failed",
      lastBuild: { id: build.id, status: "failed", commit: null, subject: null, error: null, warnings: [] },
    });
    expect((await shown(editor)).lastBuild).toMatchObject({
      commit: build.commit,
      subject: build.subject,
      error: { step: "inspect", message: expect.stringContaining("words of the code") },
    });
  });

  it("who may not know of a server cannot tell it from an absent one by deploying to it", async () => {
    await set(members[0]!, "beta", null);
    const attempt = (server: string) =>
      members[0]!.client
        .call(
          "startBuild",
          { organization: "default" },
          { server, source: { kind: "git", url: "https://git.example.com/a.git" } },
        )
        .catch((error: { code: string; message: string }) => [error.code, error.message]);
    expect(await attempt("beta")).toEqual(await attempt("absent"));
  });
});

async function set(caller: Caller, server: string, given: ServerRole | null): Promise<void> {
  const at = { organization: "default", server, principal: caller.id };
  if (given !== null) await world.owner.client.call("setGrant", at, { role: given });
  else await world.owner.client.call("removeGrant", at).catch(() => {});
}
