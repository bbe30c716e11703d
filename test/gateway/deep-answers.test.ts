import { describe, expect, test } from "vitest";
import { Link } from "../../src/gateway/hub/link.ts";
import { DEEPEST } from "../../src/mcp/lossless.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { parked, send, Session } from "./asked.ts";
import { upstreamOf } from "./asking.ts";
import { keep, post, responseOf, scene, text } from "./scene.ts";
import { ScriptedUpstream, statelessCall, wellBehaved } from "./scripted.ts";
import { emptyManifest, TestGateway } from "./harness.ts";

/** Far deeper than JSON.stringify can go. */
const deep = (levels = 20_000) => "[".repeat(levels) + "]".repeat(levels);
const response = (value: string) =>
  `{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[],"x":${value}}}`;
const isJson = { "content-type": "application/json" };
const refused = {
  code: expect.any(Number),
  message: expect.stringContaining(`nests deeper than ${DEEPEST} levels`),
};

describe("An answer that nests too deep is refused, and recorded, where it is read", () => {
  test("for a session at a stateless server. [R:messages.depth]", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { response: answer, stream } = await session.call();
    const call = await place.arrives();
    call.res.writeHead(200, isJson).end(response(deep()));
    expect((await answer).statusCode).toBe(502);
    expect((await stream.next())["error"]).toMatchObject(refused);
    const record = await place.world.record((each) => each.method === "tools/call");
    expect(record).toMatchObject({ boundary: "upstream", http_status: 502 });
  });

  test("for a stateless client at a handshake server, present or away.", async () => {
    const place = await upstreamOf("handshake");
    const sent = await send(place.url, place.key);
    const call = await place.arrives();
    call.res.writeHead(200, isJson).end(response(deep()));
    expect((await sent.answer).error).toMatchObject(refused);
    const away = await parked(place);
    away.call.res.end(`data: ${response(deep())}\n\n`);
    await away.call.closed();
    const inputResponses = { [away.question]: { action: "accept", content: {} } };
    const back = await send(place.url, place.key, { id: away.id, requestState: away.state, inputResponses });
    expect((await back.answer).error).toMatchObject(refused);
  });

  test("for a list that is marked as its reader's own.", async () => {
    const place = await upstreamOf("stateless");
    const req = post(place.url, place.key, statelessCall("tools/list"));
    (await place.arrives()).res.writeHead(200, isJson).end(response(deep()));
    expect(JSON.parse(await text(await responseOf(req))).error).toMatchObject(refused);
  });

  test("for a session at a handshake server, where something precedes the response.", async () => {
    const { url, key } = await scene((received) => {
      if (received.message.method !== "tools/call") return wellBehaved(received);
      const note = `{"jsonrpc":"2.0","method":"notifications/x","params":{"x":${deep()}}}`;
      received.res.writeHead(200, { "content-type": "text/event-stream" }).end(`data: ${note}\n\n`);
    });
    const session = await Session.open({ url, key });
    const { stream } = await session.call();
    expect((await stream.next())["error"]).toMatchObject(refused);
  });
});

test("A standing stream goes on after a message that nests too deep, which nobody hears.", async () => {
  const note = (value: string) => `data: {"jsonrpc":"2.0","method":"notifications/x","params":${value}}\n\n`;
  const upstream = keep(
    await ScriptedUpstream.start(({ res }) => {
      res.writeHead(200, { "content-type": "text/event-stream" }).end(note(deep()) + note('{"n":1}'));
    }),
  );
  const pools = createPools();
  const dial = pools.at(upstream.address);
  const held = { instance: null, lease: null, dial, uses: 0, usedAt: 0, lost: false };
  const heard: unknown[] = [];
  await new Promise<void>((ended) => {
    const end = {
      opened() {},
      message: (_: Link, each: object) => void heard.push(each),
      ended: () => ended(),
    };
    void new Link(held, { method: "GET", headers: [] }, 1 << 20, end);
  });
  expect(heard).toEqual([{ jsonrpc: "2.0", method: "notifications/x", params: { n: 1 } }]);
  await pools.close();
});

test("An answer that nests as deep as can be passes.", async () => {
  const place = await upstreamOf("stateless");
  const session = await Session.open(place);
  const { response: answer } = await session.call();
  const call = await place.arrives();
  call.res.writeHead(200, isJson).end(response(deep(DEEPEST - 2)));
  expect(await text(await answer)).toContain(deep(DEEPEST - 2));
});

test("A request whose server cannot be dialled at all is answered and recorded. [R:upstream.undialled]", async () => {
  const world = keep(await TestGateway.start());
  const manifest = { ...emptyManifest, eras: ["stateless"] as const };
  const url = world.publish("s", { address: "nowhere:", external: true, manifest });
  const { key } = world.key({ roles: { s: "user" } });
  const answer = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  expect(answer.statusCode).toBe(503);
  expect(JSON.parse(await text(answer)).error.message).toContain("No way to dial");
  const record = await world.record((each) => each.method === "tools/call");
  expect(record).toMatchObject({ http_status: 503, boundary: "runtime" });
});
