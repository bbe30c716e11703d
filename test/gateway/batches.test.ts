import { once } from "node:events";
import { expect, test } from "vitest";
import { get, Reading, reads } from "./reading.ts";
import { deferred, event, post, responseOf, scene, text } from "./scene.ts";
import { json, openSession, type Received, wellBehaved } from "./scripted.ts";

const progress = { jsonrpc: "2.0", method: "notifications/progress", params: { progress: 1 } };

const request = (id: number | string, name = "t", method = "tools/call") => ({
  jsonrpc: "2.0",
  id,
  method,
  params: { name },
});

/** Opens a session of a revision. */
async function opened(url: string, key: string, revision: string): Promise<string> {
  const params = { protocolVersion: revision, capabilities: {}, clientInfo: { name: "old", version: "1" } };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params });
  const response = await responseOf(
    post(url, key, { headers: { "content-type": "application/json" }, body }),
  );
  await text(response);
  return String(response.headers["mcp-session-id"]);
}

async function batching(serve: (received: Received) => void | Promise<void> = wellBehaved) {
  const made = await scene(async (received) => {
    if (received.message.method === "initialize") wellBehaved(received);
    else await serve(received);
  });
  const session = await opened(made.url, made.key, "2025-03-26");
  const send = (messages: unknown, headers: Record<string, string> = {}, by = made.key) =>
    post(made.url, by, {
      headers: {
        "content-type": "application/json",
        "mcp-session-id": session,
        "mcp-protocol-version": "2025-03-26",
        ...headers,
      },
      body: typeof messages === "string" ? messages : JSON.stringify(messages),
    });
  return { ...made, session, send };
}

test("Each message of a batch is carried by itself, and its answers are one JSON array. [R:handshake-client.batch]", async () => {
  const { send, upstream, world } = await batching();
  const note = { jsonrpc: "2.0", method: "notifications/roots/list_changed" };
  const response = await responseOf(send([request(1), note, request("two", "u")]));
  expect(response.statusCode).toBe(200);
  expect(response.headers["content-type"]).toBe("application/json");
  const answers = JSON.parse(await text(response)) as { id: unknown }[];
  expect(new Set(answers.map(({ id }) => id))).toEqual(new Set([1, "two"]));
  const bodies = upstream.received.slice(1).map(({ message }) => message);
  expect(bodies).toHaveLength(3);
  expect(bodies).toEqual(expect.arrayContaining([request(1), note, request("two", "u")]));
  // One record for each message, and none for the whole.
  await world.record((r) => r.capability_name === "u");
  await world.record((r) => r.method === "notifications/roots/list_changed");
  await world.record((r) => r.capability_name === "t");
  expect(world.records.filter((r) => r.method !== "initialize")).toHaveLength(3);
});

test("What a message of a batch looks like, its server gets byte for byte.", async () => {
  const { send, upstream } = await batching();
  const exact =
    '{"jsonrpc":"2.0", "id":12345678901234567, "method":"tools/call","params":{"name":"t","arguments":{"n":1.0,"s":"[,{\\"\\u00e9"}}}';
  await text(await responseOf(send(`[ ${exact} ,${JSON.stringify(request(2))}]`)));
  expect(upstream.received.map(({ text: body }) => body.trim())).toContain(exact);
});

test("Each message of a batch is judged by itself. [R:handshake-client.batch-judged]", async () => {
  const { url, upstream, world } = await batching();
  const { key } = world.key({ roles: { s: "viewer" } });
  const session = await opened(url, key, "2025-03-26");
  const given = {
    headers: { "content-type": "application/json", "mcp-session-id": session },
    body: JSON.stringify([
      request(1, "t", "tools/list"),
      request(2),
      request(3, "t", "no/such"),
      { jsonrpc: "2.0", id: "ask-1", result: {} },
    ]),
  };
  const answers = JSON.parse(await text(await responseOf(post(url, key, given)))) as { id: number | null }[];
  expect(answers.toSorted((a, b) => Number(a.id) - Number(b.id))).toMatchObject([
    { id: null, error: { data: { boundary: "authorization" } } },
    { id: 1, result: {} },
    { id: 2, error: { data: { boundary: "authorization" } } },
    { id: 3, error: { code: -32601 } },
  ]);
  const received = upstream.received.flatMap(({ message }) => message.method ?? "a response");
  expect(received).not.toContain("tools/call");
  expect(received).not.toContain("a response");
  await world.record((r) => r.decision === "deny" && r.method === "tools/call");
  await world.record((r) => r.decision === "deny" && r.method === null);
});

test("Answers before which something comes are an event stream, each message an event of its own, that can be resumed. [R:handshake-client.batch-stream]", async () => {
  const release = deferred();
  const { send, url, key, session } = await batching(async ({ res, message }) => {
    const answer = { jsonrpc: "2.0", id: message.id, result: {} };
    if (message.params!["name"] === "quick") return json(res, answer);
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(event(progress));
    await release.promise;
    res.end(event(answer));
  });
  const reading = await Reading.of(send([request(1, "quick"), request(2, "slow")]));
  expect(reading.response.headers["content-type"]).toBe("text/event-stream");
  const first = [(await reading.next())!, (await reading.next())!];
  expect(first.map(({ data }) => JSON.parse(data!))).toEqual(
    expect.arrayContaining([progress, { jsonrpc: "2.0", id: 1, result: {} }]),
  );
  reading.req.destroy();
  await once(reading.req, "close");
  release.resolve();
  const again = await Reading.of(
    get(url, key, { "mcp-session-id": session, "last-event-id": first[1]!.id! }),
  );
  const rest = await again.rest();
  expect(rest.map(({ data }) => JSON.parse(data!))).toEqual([{ jsonrpc: "2.0", id: 2, result: {} }]);
});

test("A batch whose answers take long becomes an event stream for a client that reads those.", async () => {
  const release = deferred();
  const { send } = await batching(async ({ res, message }) => {
    if (message.params!["name"] === "slow") await release.promise;
    json(res, { jsonrpc: "2.0", id: message.id, result: {} });
  });
  const reading = await Reading.of(send([request(1, "quick"), request(2, "slow")], reads));
  expect(JSON.parse((await reading.next())!.data!)).toMatchObject({ id: 1 });
  release.resolve();
  expect((await reading.rest()).map(({ data }) => JSON.parse(data!))).toMatchObject([{ id: 2 }]);
});

test("A batch of notifications and responses alone is accepted with 202. [R:handshake-client.batch-notes]", async () => {
  const { send } = await batching();
  const notes = [
    { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } },
    { jsonrpc: "2.0", id: "e1", result: {} },
  ];
  const response = await responseOf(send(notes));
  expect([response.statusCode, await text(response)]).toEqual([202, ""]);
});

test.each<[string, unknown, string]>([
  ["is empty", [], "empty"],
  ["holds more than fifty messages", Array.from({ length: 51 }, (_, i) => request(i)), "more than 50"],
  ["initializes", [request(1, "t", "initialize")], "initialize"],
  ["uses an id twice", [request(1), request(2), request(1)], "same id"],
  ["holds no messages", [1, "two"], "not a JSON-RPC message"],
  ["is cut off", "[{", "not JSON"],
])("A batch that %s is refused whole. [R:handshake-client.batch-refused]", async (_, messages, words) => {
  const { send, upstream, world } = await batching();
  const response = await responseOf(send(messages));
  expect(response.statusCode).toBe(400);
  expect(JSON.parse(await text(response)).error.message).toContain(words);
  expect(upstream.received).toHaveLength(1);
  expect(await world.record((r) => r.http_status === 400)).toMatchObject({ http_method: "POST" });
});

test.each(["2025-06-18", "2025-11-25", "2024-11-05"])(
  "Revision %s knows no batches. [R:handshake-client.batch-revision]",
  async (revision) => {
    const { url, key } = await batching();
    const session = await opened(url, key, revision);
    const headers = {
      "content-type": "application/json",
      "mcp-session-id": session,
      "mcp-protocol-version": revision,
    };
    const response = await responseOf(post(url, key, { headers, body: JSON.stringify([request(1)]) }));
    expect(response.statusCode).toBe(400);
    expect(JSON.parse(await text(response)).error).toMatchObject({ code: -32600 });
  },
);

test("A client without a version header may send batches, since it speaks 2025-03-26. [R:handshake-client.batch-revision]", async () => {
  const { url, key } = await batching();
  const session = await openSession(url, key);
  const headers = { "content-type": "application/json", "mcp-session-id": session };
  const response = await responseOf(post(url, key, { headers, body: JSON.stringify([request(1)]) }));
  expect(JSON.parse(await text(response))).toMatchObject([{ id: 1, result: {} }]);
});

test("A client that leaves a batch cancels nothing of it.", async () => {
  const arrived = deferred();
  const release = deferred();
  const { send, world } = await batching(async ({ res, message }) => {
    arrived.resolve();
    await release.promise;
    json(res, { jsonrpc: "2.0", id: message.id, result: {} });
  });
  const left = new Promise((resolve) => {
    world.server.once("request", (_, res) => res.once("close", resolve));
  });
  const leaving = send([request(1)]);
  await arrived.promise;
  leaving.destroy();
  await left;
  release.resolve();
  expect(await world.record((r) => r.method === "tools/call")).toMatchObject({ outcome: "client_gone" });
});
