import { describe, expect, test } from "vitest";
import { send, Session } from "./asked.ts";
import { type Arrived, upstreamOf } from "./asking.ts";

/** A server of both eras with a tool that needs one of them, behind a gateway in which noting what it says fails. */
async function failing(era: "handshake" | "stateless") {
  const definition = { name: "t", inputSchema: { type: "object" } };
  const place = await upstreamOf(era, {
    manifest: { eras: ["stateless", "handshake"] },
    items: [{ kind: "tool", name: "t", definition, hash: "1", era }],
  });
  place.world.refusedFails = true;
  return place;
}

/** Refuses the tool in the one era that it has, so that this is noted. */
const refuse = {
  stateless: (call: Arrived) =>
    call.fail({
      code: -32603,
      message:
        "Cannot send 'elicitation/create': this transport context has no back-channel for server-initiated requests.",
    }),
  handshake: (call: Arrived) =>
    call.fail({
      code: -32602,
      message:
        "Tool 't' returned an InputRequiredResult to request client input, but the multi-round-trip result type (SEP-2322) only exists at MCP 2026-07-28; use another.",
    }),
};

const refused = { message: expect.stringContaining("cannot be passed on to this client") };
const recorded = { boundary: "upstream", is_error: true, error: refused.message };

describe("A response that cannot be written ends its call all the same, and the client is told", () => {
  test("in a session at a stateless server. [R:bridges.unwritten-handshake]", async () => {
    const place = await failing("stateless");
    const opening = Session.open(place);
    const serverInfo = { name: "both", version: "1" };
    (await place.arrives()).answer({ protocolVersion: "2025-11-25", capabilities: {}, serverInfo });
    const session = await opening;
    const { stream } = await session.call();
    refuse.stateless(await place.arrives());
    expect((await stream.next())["error"]).toMatchObject(refused);
    expect(await place.world.record(({ method }) => method === "tools/call")).toMatchObject(recorded);
    expect(place.world.gateway.sizes.exchanges).toBe(0);
  });

  test("of a stateless client at a handshake server. [R:bridges.unwritten-stateless]", async () => {
    const place = await failing("handshake");
    const { answer } = await send(place.url, place.key);
    const call = await place.arrives();
    refuse.handshake(call);
    expect((await answer).error).toMatchObject(refused);
    await call.ended();
    expect(await place.world.record(({ method }) => method === "tools/call")).toMatchObject(recorded);
    expect(place.world.gateway.sizes.exchanges).toBe(0);
  });

  test("as an event, where the answer has begun as a stream.", async () => {
    const place = await failing("handshake");
    const meta = { progressToken: "p" };
    const { answer } = await send(place.url, place.key, { meta });
    const call = await place.arrives();
    const { progressToken } = call.message["params"]._meta;
    call.say({ method: "notifications/progress", params: { progressToken, progress: 1 } });
    refuse.handshake(call);
    const { messages } = await answer;
    expect(messages[0]).toMatchObject({ method: "notifications/progress", params: { progress: 1 } });
    expect(messages[1]!["error"]).toMatchObject(refused);
  });
});
