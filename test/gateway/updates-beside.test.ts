import { expect, test, vi } from "vitest";
import { TestGateway } from "./harness.ts";
import { until } from "./raw-stream.ts";
import { connect, methods, Running } from "./telling.ts";

vi.setConfig({ testTimeout: 120_000 });

/** Speaks both eras, and tells updates of its resources in the stateless one only, as every server of this framework. */
const source = `from mcp.server.mcpserver import Context, MCPServer
mcp = MCPServer("beside")
@mcp.tool()
async def touch(uri: str, ctx: Context) -> str:
    await ctx.notify_resource_updated(uri)
    return "done"
@mcp.resource("note://one")
def one() -> str:
    return "one"
`;

test("A handshake client of a server that tells updates in the stateless era only is promised them, and told. [R:hub.updates-beside]", async () => {
  await using running = await Running.start("beside", { source });
  await using world = await TestGateway.start();
  const url = running.publish(world, "beside");
  expect(running.manifest.eras).toEqual(["stateless", "handshake"]);
  const { key } = world.key({ roles: { beside: "user" } });
  await using client = await connect(url, key, "handshake");
  expect(client.client.getServerCapabilities()!.resources).toEqual({ subscribe: true, listChanged: true });
  await client.client.subscribeResource({ uri: "note://one" });
  await until(async () => {
    await client.call("touch", { uri: "note://one" });
    return client.inbox.told.length > 0;
  });
  expect(client.inbox.told[0]).toMatchObject({ method: methods.updated, params: { uri: "note://one" } });
  await client.client.unsubscribeResource({ uri: "note://one" });
  const before = client.inbox.told.length;
  await client.call("touch", { uri: "note://one" });
  await client.client.subscribeResource({ uri: "note://two" });
  await client.call("touch", { uri: "note://two" });
  await client.inbox.of(methods.updated, 1, "note://two");
  expect(client.inbox.told.length).toBe(before + 1);
});
