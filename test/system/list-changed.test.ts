import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deployed, serverSaying } from "../deploy.ts";
import { listenRequest, RawStream, standing } from "../gateway/raw-stream.ts";
import { connect, methods } from "../gateway/telling.ts";
import { openWorld, type World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const more = "@mcp.tool\ndef more() -> str:\n    return 'more'\n";
const endpoint = (path: string) => `${world.url}/default/${path}/mcp`;
const at = (server: string) => ({ organization: "default", server });

/** A client of each era that listens to the lists of an endpoint, by an official SDK. */
async function listeners(path: string, key = world.owner.key) {
  const stateless = await connect(endpoint(path), key, "stateless");
  await stateless.client.listen({ toolsListChanged: true, promptsListChanged: true });
  const handshake = await connect(endpoint(path), key, "handshake");
  return { stateless, handshake, inboxes: [stateless.inbox, handshake.inbox] };
}

describe("lists stay true", () => {
  it("by a promotion and a rollback that change them, told to open streams of both eras [R:hub.promotion-system]", async () => {
    await deployed(world.owner, "lists", serverSaying("1"));
    await deployed(world.owner, "other", serverSaying("1"));
    const one = await listeners("lists");
    const elsewhere = await listeners("other");
    await deployed(world.owner, "lists", serverSaying("2", more));
    for (const inbox of one.inboxes) await inbox.of(methods.tools);
    expect((await one.handshake.client.listTools()).tools.map(({ name }) => name)).toEqual([
      "answer",
      "more",
    ]);
    await world.owner.client.call("rollback", at("lists"));
    for (const inbox of one.inboxes) await inbox.of(methods.tools, 2);
    expect((await one.stateless.client.listTools()).tools.map(({ name }) => name)).toEqual(["answer"]);
    expect(one.inboxes.flatMap(({ told }) => told.map(({ method }) => method))).toEqual(
      Array.from({ length: 4 }, () => methods.tools),
    );
    expect(elsewhere.inboxes.flatMap(({ told }) => told)).toEqual([]);
    for (const { client } of [one.stateless, one.handshake, elsewhere.stateless, elsewhere.handshake]) {
      await client.close();
    }
  });

  it("by a promotion that changes none, and tells nobody [R:hub.equal-system]", async () => {
    await deployed(world.owner, "same", serverSaying("1"));
    const { stateless, handshake, inboxes } = await listeners("same");
    await deployed(world.owner, "same", serverSaying("2"));
    expect(await handshake.call("answer")).toBe("2");
    expect(await stateless.call("answer")).toBe("2");
    await deployed(world.owner, "same", serverSaying("3", more));
    for (const inbox of inboxes) await inbox.of(methods.tools);
    expect(inboxes.map(({ told }) => told.length)).toEqual([1, 1]);
    for (const { client } of [stateless, handshake]) await client.close();
  });
});

describe("a standing stream", () => {
  it("ends when its principal loses access, and when its key is revoked [R:hub.access-system]", async () => {
    await deployed(world.owner, "guarded", serverSaying("1"));
    const member = await world.member("member");
    const call = { ...at("guarded"), principal: member.id };
    await world.owner.client.call("setGrant", call, { role: "user" });
    const lists = listenRequest({ toolsListChanged: true });
    const stream = await RawStream.open(endpoint("guarded"), member.key, lists);
    await stream.first(1);
    await world.owner.client.call("removeGrant", call);
    await stream.until(({ ended }) => ended);
    await world.owner.client.call("setGrant", call, { role: "user" });
    const again = await RawStream.open(endpoint("guarded"), member.key, lists);
    await again.first(1);
    const { items } = await member.client.call("listKeys", { organization: "default" });
    await member.client.call("revokeKey", { organization: "default", key: items[0]!.id });
    await again.until(({ ended }) => ended);
    // Its end is the request's own result, after which a client asks anew and is told that it may not.
    expect([stream, again].map(({ messages }) => messages.at(-1)!.result?.["resultType"])).toEqual([
      "complete",
      "complete",
    ]);
  });

  it("is told of resources that its session was subscribed to before the program was started again [R:hub.subscription-kept]", async () => {
    const source = `
import mcp_types as types
from mcp.server.lowlevel import Server
subscribed = {}
async def tools(context, params):
    return types.ListToolsResult(tools=[types.Tool(name="touch", input_schema={"type": "object"})])
async def resources(context, params):
    return types.ListResourcesResult(resources=[types.Resource(uri="note://one", name="one")])
async def subscribe(context, params):
    subscribed[context.request.headers["mcp-session-id"]] = context.session
    return types.EmptyResult()
async def call(context, params):
    for session in subscribed.values():
        await session.send_resource_updated("note://one")
    return types.CallToolResult(content=[])
server = Server(
    "kept", on_list_tools=tools, on_call_tool=call, on_list_resources=resources, on_subscribe_resource=subscribe
)
`;
    await deployed(world.owner, "kept", { "requirements.txt": "mcp>=2,<3\nuvicorn\n", "main.py": source });
    const transport = new StreamableHTTPClientTransport(new URL(endpoint("kept")), {
      requestInit: { headers: { Authorization: `Bearer ${world.owner.key}` } },
    });
    const client = new Client({ name: "c", version: "1" }, { versionNegotiation: { mode: "legacy" } });
    await client.connect(transport);
    await client.subscribeResource({ uri: "note://one" });
    const session = transport.sessionId!;
    const kept = async () =>
      (
        await world.system.services.db
          .selectFrom("sessions")
          .select("subscriptions")
          .where("subscriptions", "is not", null)
          .execute()
      ).map(({ subscriptions }) => subscriptions);
    await expect.poll(kept).toEqual([["note://one"]]);
    await client.close();
    await world.restart();
    const stream = await RawStream.open(endpoint("kept"), world.owner.key, standing(session));
    const other = await connect(endpoint("kept"), world.owner.key, "handshake");
    await expect
      .poll(async () => {
        await other.call("touch");
        return stream.messages.some(({ method }) => method === methods.updated);
      })
      .toBe(true);
    await other.client.close();
    await stream[Symbol.asyncDispose]();
  });
});
