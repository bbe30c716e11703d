import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSet } from "../../src/domain/variables/sets.ts";
import { newId } from "../../src/lib/ids.ts";
import { callText, deployed, mcpClient, serverSaying } from "../deploy.ts";
import { openWorld, type World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const reader = (mark: string) =>
  serverSaying(
    mark,
    "import os\n\n\n@mcp.tool\ndef read(name: str) -> str:\n    return os.environ.get(name, 'nothing')\n",
  );
const at = (server: string) => ({ organization: "default", server });
const set = (server: string, variables: Record<string, string>) =>
  world.owner.client.call("setVariables", at(server), { variables, create: true });

/** What a deployment reads, by a call through the gate. */
async function read(deployment: string, name: string): Promise<string> {
  const client = await mcpClient(world, `default/${deployment}`, world.owner.key);
  try {
    return await callText(client, "read", { name });
  } finally {
    await client.close();
  }
}

describe("a server's variables", () => {
  it("do not reach the code of a pull request, which is never live, also as the first of its server", async () => {
    const ref = "refs/pull/7/head";
    await set("pulled", { API_KEY: "production only" });
    const first = await deployed(world.owner, "pulled", reader("1"), { ref });
    expect(first.build).toMatchObject({ status: "succeeded", deployment: { slug: "pull-7-head" } });
    expect(await world.owner.client.call("getServer", at("pulled"))).toMatchObject({
      defaultBranch: null,
      status: "empty",
      deployments: [{ slug: "pull-7-head", scope: "preview", branch: "pull/7/head" }],
    });
    await deployed(world.owner, "pulled", reader("1"), { ref: "refs/heads/main" });
    const { build } = await deployed(world.owner, "pulled", reader("2"), { ref });
    expect(build.deployment?.slug).toBe("pull-7-head");
    expect(await read("pulled@pull-7-head", "API_KEY")).toBe("nothing");
    expect(await read("pulled", "API_KEY")).toBe("production only");
  });

  it("that are gone are told as what they are: none are not taken in their place", async () => {
    await set("gone", { API_KEY: "x" });
    await deployed(world.owner, "gone", reader("1"));
    const { services } = world.system;
    const { organization } = world.owner;
    const { variable_set: taken } = await services.db
      .selectFrom("deployments as d")
      .innerJoin("servers as s", "s.id", "d.server")
      .select("d.variable_set")
      .where("s.slug", "=", "gone")
      .executeTakeFirstOrThrow();
    expect(await openSet(services, organization, taken!)).toEqual({ API_KEY: "x" });
    await expect(openSet(services, organization, newId("set"))).rejects.toMatchObject({
      code: "unavailable",
      hint: expect.stringContaining("deploy"),
    });
    // A set without variables is there all the same.
    await world.owner.client.call("removeVariables", at("gone"), { names: ["API_KEY"] });
    await deployed(world.owner, "gone", reader("1"));
    expect(await read("gone", "API_KEY")).toBe("nothing");
  });
});
