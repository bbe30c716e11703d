import { describe, expect, test } from "vitest";
import { Parked } from "../../src/gateway/bridge/parked.ts";
import { content, parked, reply, send } from "./asked.ts";
import { accepted, type Arrived, form, type Message, upstreamOf } from "./asking.ts";
import { deferred, event, keep } from "./scene.ts";
import { ScriptedUpstream, wellBehaved } from "./scripted.ts";

describe("A call that waits", () => {
  const cancelled = (call: Arrived) => (message: Message) =>
    message["method"] === "notifications/cancelled" && message["params"].requestId === call.message["id"];

  test("is not cancelled by the end of the request that it was asked in, and expires. [R:bridges.expiry]", async () => {
    const place = await upstreamOf("handshake", { limits: { personMs: 200 } });
    const { call, state, question } = await parked(place);
    await call.hears(cancelled(call));
    await call.closed();
    await call.ended();
    const late = await send(place.url, place.key, {
      inputResponses: { [question]: accepted },
      requestState: state,
    });
    expect((await late.answer).error).toMatchObject({
      code: -32602,
      message: expect.stringContaining("is over"),
    });
  });

  test("does not use up the request window, which goes on when its client is back. [R:bridges.window-rests]", async () => {
    const place = await upstreamOf("handshake", { windowMs: 300 });
    const waiting = await parked(place);
    // As long as the window lasts: another call runs into its end.
    const hanging = await send(place.url, place.key);
    await place.arrives();
    expect((await hanging.answer).status).toBe(504);
    const retry = await send(place.url, place.key, {
      inputResponses: { [waiting.question]: accepted },
      requestState: waiting.state,
    });
    await waiting.call.hears(reply(1));
    expect(await retry.answer).toMatchObject({ status: 504, error: { data: { boundary: "upstream" } } });
  });

  test("gives what it answered meanwhile to the client that comes back. [R:bridges.answer-kept]", async () => {
    const place = await upstreamOf("handshake");
    const { call, state, question } = await parked(place);
    call.answer({ content });
    await call.ended();
    const retry = await send(place.url, place.key, {
      inputResponses: { [question]: accepted },
      requestState: state,
    });
    expect(await retry.answer).toMatchObject({ status: 200, result: { resultType: "complete", content } });
  });

  test("tells its client clearly that the server broke off meanwhile.", async () => {
    const place = await upstreamOf("handshake");
    const { call, state, question } = await parked(place);
    call.res.destroy();
    await call.ended();
    const retry = await send(place.url, place.key, {
      inputResponses: { [question]: accepted },
      requestState: state,
    });
    expect(await retry.answer).toMatchObject({ status: 502, error: { data: { boundary: "upstream" } } });
  });

  test("is one of 32 of its principal at most; other principals have their own. [R:bridges.parked-bounded]", async () => {
    const place = await upstreamOf("handshake");
    for (let i = 0; i < 32; i++) await parked(place);
    const sent = await send(place.url, place.key);
    const call = await place.arrives();
    call.ask(1, "elicitation/create", form);
    expect(await sent.answer).toMatchObject({ status: 429, error: { data: { boundary: "limit" } } });
    await call.hears(cancelled(call));
    const { key } = place.world.key({ roles: { s: "user" } });
    await parked({ ...place, key });
  });

  test("goes on where its server ends the stream early, to be asked for the rest. [R:bridges.stream-resumed]", async () => {
    const place = await upstreamOf("handshake");
    const sent = await send(place.url, place.key);
    const call = await place.arrives();
    call.res.writeHead(200, { "content-type": "text/event-stream" });
    call.res.end("id: first\nretry: 100\ndata:\n\n");
    const once = await call.comesBack();
    expect(once.req.headers).toMatchObject({
      "last-event-id": "first",
      "mcp-session-id": call.headers["mcp-session-id"],
    });
    once.res.writeHead(200, { "content-type": "text/event-stream" });
    once.res.end(
      event({ jsonrpc: "2.0", id: 1, method: "elicitation/create", params: form }).replace(
        "event:",
        "id: second\nevent:",
      ),
    );
    const { inputRequests, requestState } = (await sent.answer).result;
    const twice = await call.comesBack();
    expect(twice.req.headers["last-event-id"]).toBe("second");
    const inputResponses = { [Object.keys(inputRequests)[0]!]: accepted };
    const retry = await send(place.url, place.key, { inputResponses, requestState });
    await call.hears(reply(1));
    twice.res.writeHead(200, { "content-type": "text/event-stream" });
    twice.res.end(event({ jsonrpc: "2.0", id: call.message["id"], result: { content } }));
    expect((await retry.answer).result).toMatchObject({ resultType: "complete", content });
    expect(place.arrived).toHaveLength(1);
  });

  test("keeps its instance while it waits, and lets go of it when it is over. [R:bridges.lease-held]", async () => {
    const place = await upstreamOf("handshake", { limits: { idleMs: 60 } });
    const { world } = place;
    const { call, state, question } = await parked(place);
    // As long as an idle instance is held: that of another server is let go.
    const { address } = keep(await ScriptedUpstream.start(wellBehaved));
    const other = world.publish("other", { address });
    const { key } = world.key({ roles: { other: "user" } });
    const elsewhere = await send(other, key, { capabilities: {} });
    expect((await elsewhere.answer).status).toBe(200);
    await expect.poll(() => world.released.get("srv_acme_other")).toBe(1);
    expect(world.released.get("srv_acme_s")).toBeUndefined();
    const retry = await send(place.url, place.key, {
      inputResponses: { [question]: accepted },
      requestState: state,
    });
    call.answer({ content });
    expect((await retry.answer).result).toMatchObject({ content });
    await expect.poll(() => world.released.get("srv_acme_s")).toBe(1);
  });

  test("tells its client clearly that its instance ended meanwhile.", async () => {
    const place = await upstreamOf("handshake");
    const lost = new AbortController();
    place.world.publish("s", {
      address: async () => place.world.lease("srv_acme_s", place.upstream.address, lost),
      eras: ["handshake"],
    });
    const { state, question } = await parked(place);
    lost.abort();
    const retry = await send(place.url, place.key, {
      inputResponses: { [question]: accepted },
      requestState: state,
    });
    expect(await retry.answer).toMatchObject({ status: 502, error: { data: { boundary: "runtime" } } });
  });

  test("is not begun for a client that leaves while the instance starts.", async () => {
    const place = await upstreamOf("handshake");
    const { world, upstream } = place;
    const [starting, started] = [deferred(), deferred()];
    const url = world.publish("slow", {
      eras: ["handshake"],
      address: async () => {
        starting.resolve();
        await started.promise;
        return world.lease("srv_acme_slow", upstream.address);
      },
    });
    const { key } = world.key({ roles: { slow: "user" } });
    const leaving = await send(url, key);
    leaving.answer.catch(() => {});
    await starting.promise;
    leaving.req.destroy();
    expect(await world.record(({ outcome }) => outcome === "client_gone")).toMatchObject({
      method: "tools/call",
    });
    started.resolve();
    const staying = await send(url, key, { capabilities: {} });
    (await place.arrives()).answer({ content });
    await staying.answer;
    expect(place.arrived).toHaveLength(1);
  });

  test("ends at its server when the key that began it is revoked. [R:bridges.revoked]", async () => {
    const place = await upstreamOf("handshake");
    const { call } = await parked(place);
    place.world.revoke(place.key);
    expect(await call.hears(cancelled(call))).toMatchObject({
      params: { reason: expect.stringContaining("any more") },
    });
    await call.closed();
    await call.ended();
  });

  test("ends when its caller may no longer call the server, as does one that works. [R:bridges.revoked]", async () => {
    const place = await upstreamOf("handshake");
    const { key, principal } = place.world.key({ roles: { s: "user" } });
    const waiting = await parked({ ...place, key });
    const working = await send(place.url, key);
    const call = await place.arrives();
    place.world.grant(principal, "s", "viewer");
    expect(await working.answer).toMatchObject({
      status: 403,
      error: { data: { boundary: "authorization" } },
    });
    await call.hears(cancelled(call));
    await waiting.call.hears(cancelled(waiting.call));
    await waiting.call.ended();
  });

  const sized = (length: number) => ({ content: [{ type: "text", text: "x".repeat(length) }] });

  test("keeps an answer of 1 MiB at most, and says so where it was larger. [R:bridges.kept-bounded]", async () => {
    const place = await upstreamOf("handshake");
    const { call, state, question } = await parked(place);
    call.answer(sized(1024 * 1024));
    await call.ended();
    const retry = await send(place.url, place.key, {
      inputResponses: { [question]: accepted },
      requestState: state,
    });
    expect(await retry.answer).toMatchObject({ status: 503, error: { data: { boundary: "limit" } } });
  });

  test("takes no more of the room for answers than its caller's share. [R:bridges.kept-shared]", async () => {
    const place = await upstreamOf("handshake");
    const kept = async (key: string) => {
      const { call, state, question } = await parked({ ...place, key });
      call.answer(sized(1_000_000));
      await call.ended();
      return { key, asked: { inputResponses: { [question]: accepted }, requestState: state } };
    };
    const calls = [];
    for (let i = 0; i < 9; i++) calls.push(await kept(place.key));
    calls.push(await kept(place.world.key({ roles: { s: "user" } }).key));
    const statuses = [];
    for (const { key, asked } of calls) {
      statuses.push((await (await send(place.url, key, asked)).answer).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200, 200, 503, 200]);
  });

  test("is one of a quarter of all at most within one organization. [R:bridges.organization-share]", () => {
    const calls = new Parked();
    const add = (organization: string, owner: string, id: string) =>
      calls.add({ id, owner: `${organization} ${owner}`, organization, cancel: async () => {} }, 100);
    for (let i = 0; i < 500; i++) expect(add("one", `${i % 25}`, `${i}`)).toBeUndefined();
    expect(add("one", "another", "more")).toMatchObject({ status: 429, boundary: "limit" });
    expect(add("two", "0", "theirs")).toBeUndefined();
    expect(calls.size).toBe(501);
  });

  test("is told to its server as cancelled when the gateway stops.", async () => {
    const place = await upstreamOf("handshake");
    const { call } = await parked(place);
    const closing = place.world.gateway.close();
    expect(await call.hears(cancelled(call))).toMatchObject({
      params: { reason: "The gateway is closing." },
    });
    await closing;
  });

  test.each(["before it is asked anything", "after it came back"])(
    "or works is cancelled by a client that leaves %s. [R:bridges.leaving]",
    async (when) => {
      const place = await upstreamOf("handshake");
      let call: Arrived;
      let leaving;
      if (when === "after it came back") {
        const waiting = await parked(place);
        call = waiting.call;
        leaving = await send(place.url, place.key, {
          inputResponses: { [waiting.question]: accepted },
          requestState: waiting.state,
        });
        await call.hears(reply(1));
      } else {
        leaving = await send(place.url, place.key);
        call = await place.arrives();
      }
      leaving.answer.catch(() => {});
      leaving.req.destroy();
      await call.hears(cancelled(call));
      await call.closed();
      await call.ended();
      expect(await place.world.record((each) => each.outcome === "client_gone")).toBeDefined();
    },
  );
});

describe("What a stateless client has not declared", () => {
  test("is refused to the server, which may go on without it. [R:bridges.undeclared]", async () => {
    const place = await upstreamOf("handshake");
    const sent = await send(place.url, place.key, { capabilities: { sampling: {} } });
    const call = await place.arrives();
    call.ask(1, "elicitation/create", form);
    expect((await call.hears(reply(1)))["error"]).toMatchObject({ code: -32601 });
    call.ask(2, "sampling/createMessage", { messages: [], maxTokens: 1, tools: [] });
    expect((await call.hears(reply(2)))["error"]).toMatchObject({ code: -32601 });
    call.answer({ content });
    expect((await sent.answer).result).toMatchObject({ resultType: "complete", content });
  });

  test("and without which the call fails, is named in -32021. [R:bridges.missing-capability]", async () => {
    const place = await upstreamOf("handshake");
    const sent = await send(place.url, place.key, { capabilities: { roots: {}, elicitation: {} } });
    const call = await place.arrives();
    call.ask(1, "elicitation/create", {
      mode: "url",
      message: "m",
      url: "https://x.example/",
      elicitationId: "e",
    });
    await call.hears(reply(1));
    call.answer({ content: [{ type: "text", text: "not supported" }], isError: true });
    expect(await sent.answer).toMatchObject({
      status: 400,
      error: { code: -32021, data: { requiredCapabilities: { elicitation: { url: {} } } } },
    });
  });

  test("is named in -32021 also to a client that declares nothing, and its call is ended at the server.", async () => {
    const place = await upstreamOf("handshake");
    const sent = await send(place.url, place.key, { capabilities: {} });
    const call = await place.arrives();
    expect(call.headers).not.toHaveProperty("offing-session");
    call.ask(1, "sampling/createMessage", { messages: [], maxTokens: 1 });
    expect(await sent.answer).toMatchObject({
      status: 400,
      last: { id: sent.id },
      error: { code: -32021, data: { requiredCapabilities: { sampling: {} } } },
    });
    await call.closed();
  });
});
