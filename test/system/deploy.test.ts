import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callText, deployed, finished, mcpClient, serverSaying, startDeploy } from "../deploy.ts";
import { openWorld, type World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const ask = async (path: string, key = world.owner.key) => {
  const client = await mcpClient(world, path, key);
  try {
    return await callText(client, "answer");
  } finally {
    await client.close();
  }
};

describe("a deploy", () => {
  it("ends in a live endpoint that clients call with a key", async () => {
    const { build, log } = await deployed(world.owner, "first", serverSaying("one"));
    expect(build.error).toBeNull();
    expect(build.status).toBe("succeeded");
    expect(build.steps.map((step) => [step.step, step.status])).toEqual(
      ["source", "plan", "install", "package", "inspect", "select"].map((step) => [step, "succeeded"]),
    );
    expect(build.deployment?.endpoint).toBe(`${world.url}/default/first/mcp`);
    expect(log.join("\n")).toContain("dependencies come from requirements.txt");
    expect(await ask("default/first")).toBe("one");
  });

  it("of the same lock takes no second install", async () => {
    const { build } = await deployed(world.owner, "first", serverSaying("two"));
    expect(build.steps.find((step) => step.step === "install")?.reused).toBe(true);
    expect(await ask("default/first")).toBe("two");
  });

  it("that fails names the step, shows the author's line, says what to do, and leaves live untouched", async () => {
    await deployed(world.owner, "steady", serverSaying("steady"));
    const at = { organization: "default", server: "steady" };
    const before = await world.owner.client.call("getServer", at);
    const { build, log } = await deployed(world.owner, "steady", {
      "requirements.txt": "fastmcp>=4,<5\n",
      "main.py": "from fastmcp import FastMCP\nimport not_there_at_all\nmcp = FastMCP('x')\n",
    });
    expect(build.status).toBe("failed");
    expect(build.error).toMatchObject({ step: "inspect" });
    expect(build.error?.traceback).toContain("import not_there_at_all");
    expect(build.error?.hint).toContain("requirements.txt");
    expect(log.join("\n")).toContain("not_there_at_all");
    expect((await world.owner.client.call("getServer", at)).deployments).toEqual(before.deployments);
    expect(await ask("default/steady")).toBe("steady");
  });

  it("that is canceled changes nothing and says so", async () => {
    await deployed(world.owner, "canceled", serverSaying("before"));
    const started = await startDeploy(world.owner, "canceled", serverSaying("after"));
    const at = { organization: "default", server: "canceled", build: started.id };
    await world.owner.client.call("cancelBuild", at);
    const { build } = await finished(world.owner, "canceled", started.id);
    expect(build.status).toBe("canceled");
    await expect(world.owner.client.call("cancelBuild", at)).rejects.toMatchObject({ code: "conflict" });
    // Builds of one server run one after another: once the next is live, the canceled one has had its turn.
    await deployed(world.owner, "canceled", serverSaying("next"));
    expect(await ask("default/canceled")).toBe("next");
    expect((await world.owner.client.call("getBuild", at)).artifact).toBeNull();
  });

  it("of another branch is a preview beside the live endpoint", async () => {
    await deployed(world.owner, "branches", serverSaying("main"), { ref: "refs/heads/main" });
    const { build } = await deployed(world.owner, "branches", serverSaying("feature"), {
      ref: "refs/heads/Feature/New",
    });
    expect(build.deployment).toEqual({
      slug: "feature-new",
      endpoint: `${world.url}/default/branches@feature-new/mcp`,
    });
    expect(await ask("default/branches@feature-new")).toBe("feature");
    expect(await ask("default/branches")).toBe("main");
  });
});

describe("rollback", () => {
  it("serves an earlier build again without a rebuild, and undoes itself", async () => {
    const one = (await deployed(world.owner, "back", serverSaying("one"))).build;
    await deployed(world.owner, "back", serverSaying("two"));
    const at = { organization: "default", server: "back" };
    await world.owner.client.call("rollback", at);
    expect(await ask("default/back")).toBe("one");
    await world.owner.client.call("rollback", at);
    expect(await ask("default/back")).toBe("two");
    const server = await world.owner.client.call("rollback", at, { build: one.id });
    expect(server.deployments[0]?.build).toBe(one.id);
    expect(await ask("default/back")).toBe("one");
    await expect(world.owner.client.call("rollback", at, { build: one.id })).rejects.toMatchObject({
      code: "conflict",
    });
    await expect(world.owner.client.call("rollback", at, { build: "bld_none" })).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

describe("access", () => {
  it("a member without a grant sees nothing, a viewer may list, a user may call", async () => {
    await deployed(world.owner, "guarded", serverSaying("secret"));
    const member = await world.member("member");
    const at = { organization: "default", server: "guarded" };
    const grant = (role: "viewer" | "user") =>
      world.owner.client.call("setGrant", { ...at, principal: member.id }, { role });
    await expect(mcpClient(world, "default/guarded", member.key, "legacy")).rejects.toThrow(
      /no such endpoint/,
    );
    expect((await member.client.call("listServers", { organization: "default" })).items).toEqual([]);

    await grant("viewer");
    const viewer = await mcpClient(world, "default/guarded", member.key);
    expect((await viewer.listTools()).tools.map((tool) => tool.name)).toEqual(["answer"]);
    await expect(callText(viewer, "answer")).rejects.toThrow(/that needs the server role/);
    await viewer.close();

    await grant("user");
    expect(await ask("default/guarded", member.key)).toBe("secret");
    await world.owner.client.call("removeGrant", { ...at, principal: member.id });
    await expect(ask("default/guarded", member.key)).rejects.toThrow(/404/);
  });
});

describe("records and logs", () => {
  it("each request leaves one record, refused ones too, and what was printed names its request", async () => {
    await deployed(
      world.owner,
      "loud",
      serverSaying("x", "@mcp.tool\ndef shout() -> str:\n    print('heard')\n    return 'ok'\n"),
    );
    const at = { organization: "default", server: "loud" };
    const stop = new AbortController();
    const records = world.owner.client.stream("followRequests", at, {}, { signal: stop.signal });
    const first = records.next();
    const client = await mcpClient(world, "default/loud", world.owner.key, "legacy");
    await callText(client, "shout");
    await client.close();
    const member = await world.member("member");
    await mcpClient(world, "default/loud", member.key, "legacy").catch(() => {});
    const seen = [(await first).value!.data];
    while (!seen.some((record) => record.httpStatus === 404)) seen.push((await records.next()).value!.data);
    stop.abort();
    await records.next().catch(() => {});
    const call = seen.find((record) => record.method === "tools/call")!;
    expect(call).toMatchObject({
      httpStatus: 200,
      decision: "allow",
      boundary: null,
      outcome: "complete",
      era: "handshake",
      capability: { kind: "tool", name: "shout" },
      client: { name: "test" },
      principal: world.owner.id,
    });
    expect(seen.find((record) => record.httpStatus === 404)).toMatchObject({
      principal: member.id,
      decision: "deny",
    });
    const printed = async () =>
      (await world.owner.client.call("listServerLines", at)).items.find((line) => line.text === "heard");
    await expect.poll(printed, { timeout: 5000 }).toMatchObject({ stream: "stdout", request: call.id });
  });
});
