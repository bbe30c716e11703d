import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { expect, test, vi } from "vitest";
import { TestGateway } from "./harness.ts";
import { HostedServer } from "./hosted.ts";
import { handshakeCall, keep, post, responseOf, scene, text } from "./scene.ts";
import { openSession, wellBehaved } from "./scripted.ts";

vi.setConfig({ testTimeout: 60_000 });

/** What the gateway answers to a POST with these headers. */
async function answered(headers: Record<string, string | undefined>, message: object = request) {
  const { url, key, upstream } = await scene((received) => {
    if (received.message.method === undefined) received.res.writeHead(202).end();
    else wellBehaved(received);
  });
  const session = await openSession(url, key);
  const all: Record<string, string | undefined> = {
    "content-type": "application/json",
    "mcp-session-id": session,
    "mcp-protocol-version": "2025-11-25",
    ...headers,
  };
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  const response = await responseOf(
    post(url, key, { headers: given as Record<string, string>, body: JSON.stringify(message) }),
  );
  const body = await text(response);
  const reached = upstream.received.length - 1;
  return { status: response.statusCode, body, reached };
}
const request = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "t", arguments: {} } };

test("A request of no session is refused with 400, and reaches no server. [R:handshake-client.session-missing]", async () => {
  const { status, body, reached } = await answered({ "mcp-session-id": undefined });
  expect([status, reached]).toEqual([400, 0]);
  expect(JSON.parse(body)).toMatchObject({ id: 7, error: { data: { boundary: "session" } } });
});

test("A request of an unknown session is answered 404, after which a client initializes anew. [R:handshake-client.session-unknown]", async () => {
  const { status, body, reached } = await answered({ "mcp-session-id": "unknown" });
  expect([status, reached]).toEqual([404, 0]);
  expect(JSON.parse(body)).toMatchObject({ id: 7, error: { data: { boundary: "session" } } });
});

test("A request without a version header is one of 2025-03-26. [R:handshake-client.version-absent]", async () => {
  const { status, reached } = await answered({ "mcp-protocol-version": undefined });
  expect([status, reached]).toEqual([200, 1]);
});

test("A version that is not served is refused with 400. [R:handshake-client.version-unsupported]", async () => {
  const { status, body, reached } = await answered({ "mcp-protocol-version": "2024-10-07" });
  expect([status, reached]).toEqual([400, 0]);
  expect(JSON.parse(body).error.message).toContain("2025-11-25");
});

test.each([
  ["notification", { jsonrpc: "2.0", method: "notifications/roots/list_changed" }],
  ["response", { jsonrpc: "2.0", id: "e1", result: {} }],
])(
  "A posted %s is accepted with 202 and no body. [R:handshake-client.notes-accepted]",
  async (_, message) => {
    const { status, body, reached } = await answered({}, message);
    expect([status, body, reached]).toEqual([202, "", 1]);
  },
);

test("A session of another principal is as unknown as one that never was. [R:handshake-client.session-bound]", async () => {
  const { url, key, world, upstream } = await scene(wellBehaved);
  const session = await openSession(url, key);
  const { key: other } = world.key({ roles: { s: "user" } });
  const response = await responseOf(post(url, other, handshakeCall(session, "t")));
  expect(response.statusCode).toBe(404);
  await text(response);
  expect(upstream.received).toHaveLength(1);
});

test("A cancellation that a client posts reaches the request that it names. [R:handshake-client.cancelled]", async () => {
  const world = keep(await TestGateway.start());
  const source = `
import asyncio
from fastmcp import FastMCP
mcp = FastMCP("fixture")
began, cancelled = asyncio.Event(), asyncio.Event()
@mcp.tool
async def hold() -> str:
    began.set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancelled.set()
        raise
@mcp.tool
async def wait(what: str) -> str:
    await (began if what == "began" else cancelled).wait()
    return what
`;
  const hosted = keep(await HostedServer.start(world, ["fastmcp>=3,<4"], source));
  const { key } = world.key({ roles: { f: "user" } });
  const client = new Client({ name: "sdk-1", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(hosted.url), {
    requestInit: { headers: { Authorization: `Bearer ${key}` } },
  });
  // The SDK's transport type is not written for exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  const cancel = new AbortController();
  const held = client.callTool({ name: "hold", arguments: {} }, undefined, { signal: cancel.signal });
  const outcome = held.then(
    () => "answered",
    (error: unknown) => String(error),
  );
  const wait = async (what: string) => (await client.callTool({ name: "wait", arguments: { what } })).content;
  expect(await wait("began")).toMatchObject([{ text: "began" }]);
  cancel.abort("no longer wanted");
  expect(await outcome).toContain("no longer wanted");
  expect(await wait("cancelled")).toMatchObject([{ text: "cancelled" }]);
  await client.close();
});
