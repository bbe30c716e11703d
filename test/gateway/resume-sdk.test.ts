import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { expect, test, vi } from "vitest";
import { frameworks, pythonOf, PythonServer, temporaryFolder, TestGateway } from "./harness.ts";
import { deferred, keep } from "./scene.ts";

vi.setConfig({ testTimeout: 60_000 });

test.each([
  ["TypeScript SDK 1", sdk1],
  ["TypeScript SDK 2", sdk2],
])(
  "A call of the %s survives the loss of its connection. [R:handshake-client.resume-sdk]",
  async (_, connect) => {
    const python = keep(await PythonServer.start(frameworks[0]));
    const world = keep(await TestGateway.start());
    const url = world.publish("f", { address: python.address, manifest: python.manifest });
    const { key } = world.key({ roles: { f: "user" } });
    const client = await connect(url, key);
    const folder = temporaryFolder();
    const primed = deferred();
    const called = client.hold(folder, () => primed.resolve());
    await primed.promise;
    world.server.closeAllConnections();
    writeFileSync(join(folder, "release"), "");
    expect(await called).toContain("held");
    expect(await world.record((r) => r.http_method === "GET" && r.stream_events > 0)).toMatchObject({
      outcome: "complete",
    });
    await client.close();
  },
);

test("A call of the Python SDK survives the loss of its connection. [R:handshake-client.resume-sdk]", async () => {
  const python = keep(await PythonServer.start(frameworks[0]));
  const world = keep(await TestGateway.start());
  const url = world.publish("f", { address: python.address, manifest: python.manifest });
  const { key } = world.key({ roles: { f: "user" } });
  const folder = temporaryFolder();
  const client = promisify(execFile)(await pythonOf(frameworks[0]), [
    join(import.meta.dirname, "resume_client.py"),
    url,
    key,
    "hold",
    JSON.stringify({ folder }),
  ]);
  // The server's own stream, and that of the call.
  await vi.waitFor(() => expect(world.gateway.sizes.open).toBe(2), 20_000);
  world.server.closeAllConnections();
  await world.record((r) => r.method === "tools/call" || r.http_method === "GET");
  writeFileSync(join(folder, "release"), "");
  expect((await client).stdout.trim()).toBe("held");
});

function bearer(key: string) {
  return { requestInit: { headers: { Authorization: `Bearer ${key}` } } };
}

async function sdk1(url: string, key: string) {
  const client = new Client1({ name: "sdk-1", version: "1" });
  // The SDK's transport type is not written for exactOptionalPropertyTypes.
  await client.connect(new Transport1(new URL(url), bearer(key)) as Parameters<Client1["connect"]>[0]);
  return {
    hold: async (folder: string, onresumptiontoken: () => void) =>
      JSON.stringify(
        await client.callTool({ name: "hold", arguments: { folder } }, undefined, { onresumptiontoken }),
      ),
    close: () => client.close(),
  };
}

async function sdk2(url: string, key: string) {
  const client = new Client2({ name: "sdk-2", version: "1" }, { versionNegotiation: { mode: "legacy" } });
  await client.connect(new Transport2(new URL(url), bearer(key)));
  return {
    hold: async (folder: string, onresumptiontoken: () => void) =>
      JSON.stringify(await client.callTool({ name: "hold", arguments: { folder } }, { onresumptiontoken })),
    close: () => client.close(),
  };
}
