import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { InMemoryEventStore } from "@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { expect, test } from "vitest";
import { TestGateway } from "./harness.ts";
import { keep } from "./scene.ts";

/** A server of the official SDK whose tool lets its stream go while it works, and gives its answer to whoever asks again. */
async function pollingServer() {
  const asked: string[] = [];
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: new InMemoryEventStore(),
    retryInterval: 50,
  });
  const server = new McpServer({ name: "polling", version: "1" });
  const again = Promise.withResolvers<void>();
  server.registerTool("work", {}, async (extra) => {
    extra.closeSSEStream?.();
    await again.promise;
    return { content: [{ type: "text", text: "worked" }] };
  });
  await server.connect(transport as Parameters<McpServer["connect"]>[0]);
  const http = createServer((req, res) => {
    const last = req.headers["last-event-id"];
    if (req.method === "GET" && last !== undefined) {
      asked.push(String(last));
      again.resolve();
    }
    void transport.handleRequest(req, res);
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
  return {
    asked,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      await server.close();
      http.closeAllConnections();
      await new Promise((done) => http.close(done));
    },
  };
}

test("A real server that lets its stream go while it works is asked again, and its client gets the answer. [R:handshake-client.upstream-polling-sdk]", async () => {
  const upstream = keep(await pollingServer());
  const world = keep(await TestGateway.start());
  const url = world.publish("polling", { address: upstream.url, external: true, eras: ["handshake"] });
  const { key } = world.key({ roles: { polling: "user" } });
  const client = new Client({ name: "sdk-1", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { Authorization: `Bearer ${key}` } },
  });
  // The SDK's transport type is not written for exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  expect(await client.callTool({ name: "work", arguments: {} })).toMatchObject({
    content: [{ type: "text", text: "worked" }],
  });
  expect(upstream.asked).toHaveLength(1);
  expect(await world.record((r) => r.method === "tools/call")).toMatchObject({ outcome: "complete" });
  await client.close();
});
