import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Noun, Route } from "../../src/contract/route.ts";
import { routes } from "../../src/contract/routes.ts";
import { deployed, serverSaying } from "../deploy.ts";
import { type Caller, openWorld, type World } from "../world.ts";

/** Made from the contract: every route, with every id of the other organization and with an absent one. */
let world: World;
let stranger: Caller;
let theirs: Record<Noun, string>;
const absent: Record<Noun, string> = {
  organization: "absent",
  server: "absent",
  build: "bld_absent",
  key: "key_absent",
  principal: "usr_absent",
};

beforeAll(async () => {
  world = await openWorld();
  stranger = await world.organization("strangers");
  const { build } = await deployed(world.owner, "secret", serverSaying("secret"));
  const { id } = await world.owner.client.call("createKey", { organization: "default" }, {});
  theirs = { organization: "default", server: "secret", build: build.id, key: id, principal: world.owner.id };
  // The stranger's own server, so that an id below it can be the other organization's.
  await deployed(stranger, "own", serverSaying("own"));
});
afterAll(() => world.close());

const inputs: Record<string, unknown> = {
  startBuild: { server: "new", source: { kind: "git", url: "https://git.example.com/a.git" } },
  createServiceAccount: { slug: "robot" },
  setGrant: { role: "user" },
  setVariables: { variables: { NAME: "value" } },
  registerServer: { url: "http://127.0.0.1:1/mcp" },
  setServer: { virtualSessions: true },
  removeVariables: { names: ["NAME"] },
};

async function send(
  name: string,
  route: Route,
  ids: Record<string, string>,
): Promise<{ status: number; body: string }> {
  const path = route.path.replace(/:(\w+)/g, (_, param: string) => ids[param]!);
  const body =
    route.method === "GET"
      ? {}
      : { body: route.kind === "upload" ? "x" : JSON.stringify(inputs[name] ?? {}) };
  const response = await fetch(`${world.url}/api/v1${path}`, {
    method: route.method,
    headers: { authorization: `Bearer ${stranger.key}`, "content-type": "application/json" },
    ...body,
  });
  let text = await response.text();
  for (const [param, id] of Object.entries(ids)) text = text.replaceAll(id, `{${param}}`);
  return { status: response.status, body: text };
}

const cases = Object.entries(routes as Record<string, Route>).flatMap(([name, route]) =>
  Object.entries(route.params as Record<string, Noun>).map(([param, noun]) => ({ name, route, param, noun })),
);

describe("another organization's id answers exactly like an absent one", () => {
  it.each(cases)("$name, $param", async ({ name, route, param, noun }) => {
    const own: Record<Noun, string> = {
      organization: "strangers",
      server: "own",
      build: "bld_x",
      key: "key_x",
      principal: "usr_x",
    };
    const ids = Object.fromEntries(
      Object.entries(route.params as Record<string, Noun>).map(([each, of]) => [each, own[of]]),
    );
    // A server is not found by a slug of another organization when looked for in one's own, nor in that one.
    const foreign =
      noun === "server"
        ? { ...ids, organization: "default", [param]: theirs.server }
        : { ...ids, [param]: theirs[noun] };
    const missing =
      noun === "server"
        ? { ...ids, organization: "absent", [param]: absent.server }
        : { ...ids, [param]: absent[noun] };
    const [found, gone] = [await send(name, route, foreign), await send(name, route, missing)];
    expect(found).toEqual(gone);
    expect(found.status).toBe(404);
  });

  it("at the gateway too, with and without a key", async () => {
    const ask = async (path: string, key?: string) => {
      const response = await fetch(`${world.url}/${path}/mcp`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...(key ? { authorization: `Bearer ${key}` } : {}),
        },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
      });
      return {
        status: response.status,
        body: (await response.text()).replaceAll(path, "{path}").replace(/req_\w+/, "{request}"),
      };
    };
    expect(await ask("default/secret", stranger.key)).toEqual(await ask("default/absent", stranger.key));
    expect((await ask("default/secret", stranger.key)).status).toBe(404);
    expect(await ask("default/secret")).toEqual(await ask("absent/absent"));
    expect((await ask("default/secret")).status).toBe(401);
  });

  it("and no list shows anything of it", async () => {
    for (const name of ["listServers", "listKeys", "listServiceAccounts"] as const) {
      const page = await stranger.client.call(name, { organization: "strangers" });
      expect(JSON.stringify(page)).not.toContain(world.owner.organization);
      expect(JSON.stringify(page)).not.toContain(world.owner.id);
    }
  });
});
