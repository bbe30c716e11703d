import { spawn } from "node:child_process";
import { join } from "node:path";
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { expect, test, vi } from "vitest";
import { asksFor, complete, elicits, Session } from "./asked.ts";
import { type Message, upstreamOf } from "./asking.ts";
import { frameworks, pythonOf } from "./harness.ts";
import { get, Reading, reads } from "./reading.ts";
import { deferred, event, post, responseOf, result, scene, text } from "./scene.ts";
import { type Received, wellBehaved } from "./scripted.ts";

vi.setConfig({ testTimeout: 15_000 });

const cancellation = { method: "notifications/cancelled", params: { requestId: 7, reason: "too slow" } };

/** A call of a handshake client at a stateless server, which works on it. */
async function working(headers: Record<string, string> = reads) {
  const place = await upstreamOf("stateless");
  const session = await Session.open(place);
  const body = JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "t" } });
  const version = { "mcp-session-id": session.id, "mcp-protocol-version": "2025-11-25" };
  const given = { headers: { "content-type": "application/json", ...version, ...headers }, body };
  const req = post(place.url, place.key, given);
  const response = responseOf(req);
  const call = await place.arrives();
  return { place, session, call, req, response, headers: version };
}

test("A request that its client cancels is answered by a stream that ends without a response or an id to come back to. [R:handshake-client.cancelled-silent]", async () => {
  const { place, session, call, response } = await working();
  expect(await session.note(cancellation)).toEqual({ status: 202, body: "" });
  await call.closed();
  const { statusCode, headers } = await response;
  expect([statusCode, headers["content-type"]]).toEqual([200, "text/event-stream"]);
  expect(await text(await response)).toBe("");
  expect(await place.world.record((r) => r.method === "tools/call")).toMatchObject({
    http_status: 200,
    error: "The request was cancelled.",
  });
});

test("A request that is cancelled when its answer is a stream already has no response on it, nor when its client comes back. [R:handshake-client.cancelled-silent]", async () => {
  const { place, session, call, req, response, headers } = await working();
  call.answer(asksFor({ who: elicits }));
  const reading = new Reading(req, await response);
  const primed = (await reading.next())!;
  await reading.next();
  await session.note(cancellation);
  const [withdrawn, ...rest] = await reading.rest();
  expect(JSON.parse(withdrawn!.data!)).toMatchObject({ method: "notifications/cancelled" });
  expect(rest).toEqual([]);
  const resume = async (id: string) =>
    Reading.of(get(place.url, place.key, { ...headers, "last-event-id": id }));
  const again = (await (await resume(primed.id!)).rest()).map(({ data }) => JSON.parse(data!).method);
  expect(again).toEqual(["elicitation/create", "notifications/cancelled"]);
  expect((await resume(withdrawn!.id!)).status).toBe(204);
});

test("A client that takes JSON alone gets an error for a request that it cancelled, since JSON without a response is no answer. [R:handshake-client.cancelled-json]", async () => {
  const { session, response } = await working({ accept: "application/json" });
  await session.note(cancellation);
  expect(JSON.parse(await text(await response))).toMatchObject({
    id: 7,
    error: { message: "The request was cancelled." },
  });
});

/** A session at a handshake server that answers each call as it is told, once the call is cancelled. */
async function handshakeServer(then: (call: Received) => void) {
  const calls = new Map<unknown, Received>();
  const arrived = deferred();
  const place = await scene((received) => {
    const { id, method, params } = received.message;
    if (method === "tools/call") {
      received.res.writeHead(200, { "content-type": "text/event-stream" });
      received.res.flushHeaders();
      calls.set(id, received);
      return arrived.resolve();
    }
    wellBehaved(received);
    if (method === "notifications/cancelled") then(calls.get(params!["requestId"])!);
  });
  const session = await Session.open(place, {});
  const { response } = await session.call();
  await arrived.promise;
  return { place, session, response };
}

const called = ({ method }: { method: string | null }) => method === "tools/call";

test.each([
  ["at once", ""],
  ["after events with ids, which are not asked for again", "id: 1\ndata:\n\n"],
  [
    "after a notification",
    `id: 1\n${event({ jsonrpc: "2.0", method: "notifications/message", params: {} })}`,
  ],
])(
  "A call that a handshake server ends without a response since its client cancelled it ends silently for the client, %s. [R:handshake-client.cancelled-there]",
  async (_, said) => {
    const { place, session, response } = await handshakeServer(({ res }) => res.end(said));
    expect((await session.note(cancellation)).status).toBe(202);
    const { statusCode, headers } = await response;
    expect([statusCode, headers["content-type"]]).toEqual([200, "text/event-stream"]);
    expect(await text(await response)).not.toMatch(/"id":|"error"|"result"/);
    expect(await place.world.record(called)).toMatchObject({
      http_status: 200,
      outcome: "complete",
      boundary: "protocol",
      error: "The request was cancelled.",
    });
    expect(place.upstream.received.map(({ req }) => req.method)).not.toContain("GET");
  },
);

test("A response that a handshake server sends although the call was cancelled passes on. [R:handshake-client.cancelled-late]", async () => {
  const { place, session, response } = await handshakeServer(({ res }) => res.end(event(result)));
  await session.note(cancellation);
  expect(await text(await response)).toBe(event(result));
  expect(await place.world.record(called)).toMatchObject({ outcome: "complete", is_error: false });
});

test("A cancellation of another session's request of the same id silences nothing. [R:handshake-client.cancelled-own]", async () => {
  const { place, response } = await handshakeServer(({ res }) => res.end());
  const other = await Session.open(place, {});
  await other.note(cancellation);
  expect((await response).statusCode).toBe(502);
  expect(await place.world.record(called)).toMatchObject({ outcome: "upstream_gone", boundary: "upstream" });
});

test("A batch whose requests are all cancelled is a stream without responses; one of which some are has the others'. [R:handshake-client.cancelled-batch]", async () => {
  const place = await upstreamOf("stateless");
  const session = await Session.open(place, {}, "2025-03-26");
  const request = (id: number) => ({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name: "t", arguments: {} },
  });
  const batch = (...ids: number[]) => session.post({}, JSON.stringify(ids.map(request)));
  const all = responseOf(batch(7));
  await place.arrives();
  await session.note(cancellation);
  expect(await text(await all)).toBe("");
  const some = responseOf(batch(7, 8));
  const calls = [await place.arrives(), await place.arrives()];
  await session.note(cancellation);
  await calls[0]!.closed();
  calls[1]!.answer(complete);
  const answers = await text(await some);
  expect(answers).toContain('"id":8');
  expect(answers).not.toContain('"id":7');
});

type Connected = {
  /** `primed` is called when the answer is a stream that can be come back to. */
  call(signal?: AbortSignal, primed?: () => void): Promise<Message>;
  close(): Promise<void>;
  readonly failures: unknown[];
};

test.each<[string, (url: string, key: string) => Promise<Connected>]>([
  ["TypeScript SDK 1", sdk1],
  ["TypeScript SDK 2", sdk2],
])(
  "A client of the %s that cancels a call notices nothing but that, and goes on. [R:handshake-client.cancelled-sdk]",
  async (_, connect) => {
    const place = await upstreamOf("stateless");
    const client = await connect(place.url, place.key);
    for (const streams of [false, true]) {
      const cancel = new AbortController();
      const primed = deferred();
      const cancelled = client.call(cancel.signal, primed.resolve).catch(String);
      const call = await place.arrives();
      if (streams) {
        call.say({ method: "notifications/message", params: { level: "error", data: "here" } });
        await primed.promise;
      }
      cancel.abort("no longer wanted");
      expect(await cancelled).toContain("no longer wanted");
      await call.closed();
      // It asks once for what is missing, and is told that there is nothing.
      if (streams) await place.world.record((r) => r.http_method === "GET" && r.http_status === 204);
      const next = client.call();
      (await place.arrives()).answer(complete);
      expect((await next)["content"]).toEqual(complete.content);
    }
    expect(client.failures).toEqual([]);
    await client.close();
  },
);

test("A client of the Python SDK that cancels a call goes on. [R:handshake-client.cancelled-sdk]", async () => {
  const place = await upstreamOf("stateless");
  const script = join(import.meta.dirname, "cancelled_client.py");
  const python = spawn(await pythonOf(frameworks[2]), [script, place.url, place.key], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const said = text(python.stdout);
  const call = await place.arrives();
  python.stdin.end("cancel\n");
  await call.closed();
  expect((await said).trim()).toBe("went on");
}, 60_000);

function bearer(key: string) {
  return { requestInit: { headers: { Authorization: `Bearer ${key}` } } };
}

async function sdk1(url: string, key: string): Promise<Connected> {
  const client = new Client1({ name: "sdk-1", version: "1" });
  // The SDK's transport type is not written for exactOptionalPropertyTypes.
  await client.connect(new Transport1(new URL(url), bearer(key)) as Parameters<Client1["connect"]>[0]);
  const failures: unknown[] = [];
  client.onerror = (error) => failures.push(error);
  return {
    failures,
    call: (signal, primed) =>
      client.callTool({ name: "t", arguments: {} }, undefined, {
        ...(signal === undefined ? {} : { signal }),
        ...(primed === undefined ? {} : { onresumptiontoken: primed }),
      }),
    close: () => client.close(),
  };
}

async function sdk2(url: string, key: string): Promise<Connected> {
  const client = new Client2({ name: "sdk-2", version: "1" }, { versionNegotiation: { mode: "legacy" } });
  await client.connect(new Transport2(new URL(url), bearer(key)));
  const failures: unknown[] = [];
  client.onerror = (error) => failures.push(error);
  return {
    failures,
    call: (signal, primed) =>
      client.callTool(
        { name: "t", arguments: {} },
        {
          ...(signal === undefined ? {} : { signal }),
          ...(primed === undefined ? {} : { onresumptiontoken: primed }),
        },
      ),
    close: () => client.close(),
  };
}
