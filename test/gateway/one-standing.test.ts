import { expect, test } from "vitest";
import type { Capability } from "../../src/mcp/manifest.ts";
import { emptyManifest } from "./harness.ts";
import { type Process, twoProcesses } from "./processes.ts";
import { until } from "./raw-stream.ts";
import { get, Reading } from "./reading.ts";
import { deferred, event, keep, post, responseOf, scene, text } from "./scene.ts";
import { json, openSession, type Received, wellBehaved } from "./scripted.ts";

/** Two gateway processes, and a session whose server's list of tools a test changes. */
async function two(limits: { requestsPerPrincipal?: number } = {}) {
  const made = await scene(wellBehaved, { limits });
  const { a, b } = await twoProcesses(made.world, made.url);
  const session = await openSession(a.url, made.key);
  const stand = async (at: { url: string }, more: Record<string, string> = {}) =>
    keep(await Reading.of(get(at.url, made.key, { "mcp-session-id": session, ...more })));
  let tools = 0;
  const change = () => {
    const name = `tool ${++tools}`;
    const tool: Capability = { kind: "tool", name, hash: name, definition: { name } };
    made.world.publish("s", {
      address: made.upstream.address,
      manifest: { ...emptyManifest, items: [tool] },
      eras: ["handshake"],
    });
  };
  const ping = (at: { url: string }) =>
    fetch(at.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${made.key}`,
        "mcp-session-id": session,
        "mcp-protocol-version": "2025-11-25",
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
    });
  return { ...made, a, b, session, stand, change, ping };
}

const told = (stream: Reading) =>
  stream.blocks.filter(({ data }) => data?.includes("tools/list_changed") === true).length;

test("A session has one standing stream, whichever processes its client asks for it: the newest. [R:workers.one-standing]", async () => {
  const { a, b, stand, change } = await two();
  const first = await stand(a);
  const second = await stand(b);
  await first.over();
  change();
  await until(() => told(second) === 1);
  expect(told(first)).toBe(0);
  const third = await stand(a);
  await second.over();
  change();
  await until(() => told(third) === 1);
  expect(told(second)).toBe(1);
});

test("Of two processes that tell of a session's stream at the same time, one keeps it: where it is newer. [R:workers.newer-stands]", async () => {
  const { a, world, stand, change } = await two();
  const stream = await stand(a);
  const { id } = world.sessions[0]!;
  a.gateway.stands("b", id, 0);
  change();
  await until(() => told(stream) === 1);
  a.gateway.stands("b", id, 1000);
  await stream.over();
  change();
  expect(told(stream)).toBe(1);
});

test("A stream that is resumed at another process is counted there, and as a stream. [R:workers.counted-once]", async () => {
  const { a, b, stand, ping } = await two({ requestsPerPrincipal: 1 });
  const first = await stand(a);
  const { id } = (await first.next())!;
  first.req.destroy();
  const resumed = await stand(b, { "last-event-id": id! });
  expect(resumed.status).toBe(200);
  for (const each of [a, b]) expect((await ping(each)).status).toBe(200);
});

test("A subscription is answered once it is told, also at another process than that of the session's stream. [R:workers.subscribed]", async () => {
  expect(await subscribing(({ b }) => b)).toEqual(["agreed", "answered"]);
});

test("A process that comes later is told of the streams that stand. [R:workers.told-later]", async () => {
  expect(await subscribing(({ begin }) => begin("c"))).toEqual(["agreed", "answered"]);
});

type Processes = Awaited<ReturnType<typeof twoProcesses>>;

/** Subscribes a session whose stream stands at process a elsewhere: in which order the upstream agrees, and the client is answered. */
async function subscribing(at: (processes: Processes) => Process | Promise<Process>): Promise<string[]> {
  const listening = deferred();
  const agreed = deferred();
  const order: string[] = [];
  const uri = "note://one";
  const capabilities = { tools: { listChanged: true }, resources: { subscribe: true } };
  const { serverInfo } = emptyManifest;
  const script = async ({ res, message }: Received) => {
    if (message.method !== "subscriptions/listen") {
      const result = { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities, serverInfo };
      return json(res, { jsonrpc: "2.0", id: message.id, result });
    }
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.flushHeaders();
    const { notifications } = message.params as { notifications: { resourceSubscriptions?: string[] } };
    if (notifications.resourceSubscriptions?.includes(uri) === true) {
      listening.resolve();
      await agreed.promise;
      order.push("agreed");
    }
    const method = "notifications/subscriptions/acknowledged";
    const _meta = { "io.modelcontextprotocol/subscriptionId": message.id };
    res.write(event({ jsonrpc: "2.0", method, params: { notifications, _meta } }));
  };
  const { world, upstream, key } = await scene(script);
  const manifest = { ...emptyManifest, capabilities, eras: ["stateless" as const] };
  const url = world.publish("s", { address: upstream.address, manifest });
  const processes = await twoProcesses(world, url);
  const { a } = processes;
  const session = await openSession(a.url, key);
  const standing = keep(await Reading.of(get(a.url, key, { "mcp-session-id": session })));
  await standing.next();
  const { url: elsewhere } = await at(processes);
  const send = (method: string, params: object) => {
    const headers = {
      "content-type": "application/json",
      "mcp-session-id": session,
      "mcp-protocol-version": "2025-11-25",
    };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 7, method, params });
    return responseOf(post(elsewhere, key, { headers, body }));
  };
  const subscribed = send("resources/subscribe", { uri }).then(async (response) => {
    order.push("answered");
    return JSON.parse(await text(response)) as unknown;
  });
  await listening.promise;
  // What were answered too early would be answered before this.
  await text(await send("ping", {}));
  agreed.resolve();
  expect(await subscribed).toMatchObject({ id: 7, result: {} });
  expect(await world.record((r) => r.method === "resources/subscribe")).toMatchObject({ http_status: 200 });
  return order;
}
