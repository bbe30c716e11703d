import { expect, test } from "vitest";
import type { Era } from "../../src/mcp/eras.ts";
import { asksFor, content, elicits, parked, reply, send, Session } from "./asked.ts";
import { accepted, upstreamOf } from "./asking.ts";
import { twoProcesses } from "./processes.ts";

/** Two gateway processes, a and b, over one upstream. */
async function two(era: Era) {
  const place = await upstreamOf(era);
  const { addresses, a, b } = await twoProcesses(place.world, place.url);
  return { addresses, world: place.world, a: { ...place, url: a.url }, b: { ...place, url: b.url } };
}

test("A retry is taken by any process, and goes on with the call in the one that holds it. [R:bridges.retry-anywhere]", async () => {
  const { a, b, world } = await two("handshake");
  const { call, state, question } = await parked(a);
  const again = { inputResponses: { [question]: accepted }, requestState: state };
  const retry = await send(b.url, b.key, again);
  await call.hears(reply(1));
  call.answer({ content });
  expect((await retry.answer).result).toMatchObject({ resultType: "complete", content });
  await world.record(() => world.records.length === 2);
  expect(world.records).toHaveLength(2);
});

test("A retry at any process is told to call again once the holder is gone. [R:bridges.holder-gone]", async () => {
  const { a, b, addresses } = await two("handshake");
  const { state, question } = await parked(a);
  addresses.delete("a");
  const retry = await send(b.url, b.key, { inputResponses: { [question]: accepted }, requestState: state });
  expect((await retry.answer).error).toMatchObject({
    code: -32602,
    message: expect.stringContaining("Send the request anew"),
  });
});

test("A stateless client that leaves its retry at any process cancels the call in the one that holds it.", async () => {
  const { a, b } = await two("handshake");
  const { call, state, question } = await parked(a);
  const retry = await send(b.url, b.key, { inputResponses: { [question]: accepted }, requestState: state });
  retry.answer.catch(() => {});
  await call.hears(reply(1));
  retry.req.destroy();
  expect(await call.hears(({ method }) => method === "notifications/cancelled")).toMatchObject({
    params: { requestId: call.message["id"] },
  });
  await call.closed();
});

test("What a handshake client answers is taken by any process, and reaches the call in the one that asked. [R:bridges.answer-anywhere]", async () => {
  const { a, b, addresses } = await two("stateless");
  const session = await Session.open(a);
  const { stream } = await session.call();
  (await a.arrives()).answer(asksFor({ who: elicits }));
  const { id } = await stream.next();
  expect(id).toMatch(/^offing\.a\./);
  expect(await session.at(b.url).note({ id, result: accepted })).toEqual({ status: 202, body: "" });
  const second = await a.arrives();
  expect(second.message["params"].inputResponses).toEqual({ who: accepted });
  second.answer(asksFor({ who: elicits }));
  const later = await stream.next();
  addresses.delete("a");
  expect(await session.at(b.url).note({ id: later["id"], result: accepted })).toMatchObject({
    status: 400,
    body: expect.stringContaining("Nobody waits"),
  });
});

test("A handshake client's cancellation reaches its call in whatever process. [R:bridges.cancel-anywhere]", async () => {
  const { a, b, world } = await two("stateless");
  const session = await Session.open(a);
  const { stream } = await session.call();
  const call = await a.arrives();
  const cancelled = { method: "notifications/cancelled", params: { requestId: 7 } };
  expect(await session.at(b.url).note(cancelled)).toEqual({ status: 202, body: "" });
  await call.closed();
  await expect(stream.next()).rejects.toThrow("The answer is over.");
  await world.record(({ method }) => method === "tools/call");
  expect(world.records.filter(({ method }) => method === "notifications/cancelled")).toHaveLength(1);
});

test("The end of a session ends its calls in whatever process. [R:bridges.session-ends-calls]", async () => {
  const { a, b } = await two("stateless");
  const session = await Session.open(a);
  const { stream } = await session.call();
  const call = await a.arrives();
  const gone = await fetch(b.url, {
    method: "DELETE",
    headers: { authorization: `Bearer ${b.key}`, "mcp-session-id": session.id },
  });
  expect(gone.status).toBe(204);
  await call.closed();
  expect(await stream.next()).toMatchObject({ id: 7, error: { data: { boundary: "session" } } });
});
