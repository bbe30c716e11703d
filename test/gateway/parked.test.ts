import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { content, parked, reply, send } from "./asked.ts";
import { accepted, everything, form, type Message, upstreamOf } from "./asking.ts";
import { post, responseOf, text } from "./scene.ts";

describe("A handshake server that asks a stateless client", () => {
  test("has its question put as input_required, and the retry gets the result of the same call. [R:bridges.parked]", async () => {
    const place = await upstreamOf("handshake");
    const { call, state, question, result } = await parked(place, { arguments: { a: 1 } });
    expect(result).toEqual({
      resultType: "input_required",
      inputRequests: { [question]: { method: "elicitation/create", params: form } },
      requestState: state,
      _meta: { "io.modelcontextprotocol/serverInfo": { name: "scripted", version: "1" } },
    });
    expect(call.message["params"]).toMatchObject({ name: "t", arguments: { a: 1 } });
    expect(Object.keys(call.message["params"]["_meta"])).toEqual(["progressToken"]);
    const hello = JSON.parse(Buffer.from(String(call.headers["offing-session"]), "base64url").toString());
    expect(hello).toMatchObject({ protocolVersion: "2025-11-25", capabilities: everything });

    const retry = await send(place.url, place.key, {
      arguments: { a: 1 },
      inputResponses: { [question]: accepted, nobody: { action: "accept" } },
      requestState: state,
    });
    expect(await call.hears(reply(1))).toEqual({ jsonrpc: "2.0", id: 1, result: accepted });
    call.answer({ content });
    expect(await retry.answer).toMatchObject({
      status: 200,
      last: { id: retry.id, result: { resultType: "complete", content } },
    });
    await call.ended();
    expect(place.arrived).toHaveLength(1);
    const records = place.world.records.filter((each) => each.method === "tools/call");
    expect(records).toMatchObject([
      { outcome: "complete", is_error: false },
      { outcome: "complete", is_error: false },
    ]);
  });

  test("has what it asks at once put together, and what it asks later in a next round. [R:bridges.rounds]", async () => {
    const place = await upstreamOf("handshake");
    const sent = await send(place.url, place.key);
    const call = await place.arrives();
    const sampling = { messages: [], maxTokens: 5 };
    call.ask("a", "elicitation/create", form);
    call.ask("b", "sampling/createMessage", sampling);
    call.ask(0, "roots/list", {});
    const { inputRequests, requestState } = (await sent.answer).result;
    expect(Object.values(inputRequests)).toEqual([
      { method: "elicitation/create", params: form },
      { method: "sampling/createMessage", params: sampling },
      { method: "roots/list", params: {} },
    ]);
    const [one, two, three] = Object.keys(inputRequests) as [string, string, string];
    const message = { role: "assistant", model: "m", content: { type: "text", text: "x" } };
    const next = await send(place.url, place.key, {
      inputResponses: { [one]: accepted, [two]: message, [three]: { roots: [] } },
      requestState,
    });
    for (const id of ["a", "b", 0]) await call.hears(reply(id));
    call.ask("later", "elicitation/create", form);
    const second = (await next.answer).result;
    expect(second.requestState).not.toBe(requestState);
    const [fourth] = Object.keys(second.inputRequests) as [string];
    expect([one, two, three]).not.toContain(fourth);
    const last = await send(place.url, place.key, {
      inputResponses: { [fourth]: { action: "decline" } },
      requestState: second.requestState,
    });
    expect(await call.hears(reply("later"))).toMatchObject({ result: { action: "decline" } });
    call.answer({ content });
    expect((await last.answer).result.resultType).toBe("complete");
  });

  test("has its progress and its log messages on the stream of the request that is present. [R:bridges.present-stream]", async () => {
    const place = await upstreamOf("handshake");
    const level = { "io.modelcontextprotocol/logLevel": "warning" };
    const sent = await send(place.url, place.key, { meta: { ...level, progressToken: "first" } });
    const call = await place.arrives();
    const { progressToken } = call.message["params"]["_meta"];
    const tell = (progress: number): void =>
      call.say(
        { method: "notifications/progress", params: { progressToken, progress } },
        { method: "notifications/message", params: { level: "error", data: progress } },
        { method: "notifications/message", params: { level: "info", data: "unasked for" } },
      );
    tell(1);
    call.ask(1, "elicitation/create", form);
    const first = await sent.answer;
    expect(first.messages.slice(0, -1)).toEqual([
      { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: "first", progress: 1 } },
      { jsonrpc: "2.0", method: "notifications/message", params: { level: "error", data: 1 } },
    ]);
    const { inputRequests, requestState } = first.result;
    const inputResponses = { [Object.keys(inputRequests)[0]!]: accepted };
    const retry = await send(place.url, place.key, {
      inputResponses,
      requestState,
      meta: { progressToken: 7 },
    });
    await call.hears(reply(1));
    tell(2);
    call.answer({ content });
    expect((await retry.answer).messages.slice(0, -1)).toEqual([
      { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 7, progress: 2 } },
    ]);
  });

  test("is told in its session which log messages are wanted.", async () => {
    const place = await upstreamOf("handshake");
    const sent = await send(place.url, place.key, { meta: { "io.modelcontextprotocol/logLevel": "error" } });
    const call = await place.arrives();
    const before = place.upstream.received.find(({ message }) => message.method === "logging/setLevel")!;
    expect(before.message.params).toEqual({ level: "error" });
    expect(before.req.headers["mcp-session-id"]).toBe(call.headers["mcp-session-id"]);
    call.answer({ content });
    await sent.answer;
  });

  test("and takes long has its answer begun as a stream, which is kept alive. [R:bridges.long-answers]", async () => {
    const place = await upstreamOf("handshake", { limits: { keepAliveMs: 100 } });
    const sent = await send(place.url, place.key);
    const call = await place.arrives();
    const response = await responseOf(sent.req);
    expect(response.headers["content-type"]).toBe("text/event-stream");
    const [first] = (await once(response, "data")) as [Buffer];
    expect(first.toString()).toBe(": keep-alive\n\n");
    call.ask(1, "elicitation/create", form);
    expect((await sent.answer).result.resultType).toBe("input_required");
  });

  test("may withdraw its question.", async () => {
    const place = await upstreamOf("handshake");
    const { call, state, question } = await parked(place);
    call.say({ method: "notifications/cancelled", params: { requestId: 1 } });
    const retry = await send(place.url, place.key, {
      inputResponses: { [question]: accepted },
      requestState: state,
    });
    call.answer({ content });
    expect((await retry.answer).result.resultType).toBe("complete");
    expect(call.told).toEqual([]);
  });

  test.each(["prompts/get", "resources/read"])("may do so while it answers %s.", async (method) => {
    const place = await upstreamOf("handshake");
    const sent = await send(place.url, place.key, {}, method);
    const call = await place.arrives();
    call.ask(1, "elicitation/create", form);
    const { inputRequests, requestState } = (await sent.answer).result;
    const inputResponses = { [Object.keys(inputRequests)[0]!]: accepted };
    const retry = await send(place.url, place.key, { inputResponses, requestState }, method);
    await call.hears(reply(1));
    call.answer(method === "prompts/get" ? { messages: [] } : { contents: [] });
    const { result } = await retry.answer;
    expect(result).toMatchObject({ resultType: "complete" });
    expect(result.cacheScope).toBe(method === "prompts/get" ? undefined : "private");
  });

  test("keeps every digit of a number, both ways. [R:bridges.exact-numbers]", async () => {
    const place = await upstreamOf("handshake");
    const req = post(place.url, place.key, {
      headers: {
        "content-type": "application/json",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "t",
      },
      body: `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"n":12345678901234567890},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}}`,
    });
    const call = await place.arrives();
    expect(call.received.text).toContain('"n":12345678901234567890');
    call.res.writeHead(200, { "content-type": "application/json" });
    call.res.end(
      `{"jsonrpc":"2.0","id":"${call.message["id"]}","result":{"content":[],"structuredContent":{"n":-98765432109876543210.5}}}`,
    );
    expect(await text(await responseOf(req))).toContain('"n":-98765432109876543210.5');
  });

  test("that wants a person at an address before it takes the call has that put as input_required, and the retry is the call anew.", async () => {
    const place = await upstreamOf("handshake");
    const sent = await send(place.url, place.key);
    const elicitations = [{ mode: "url", message: "Sign in", url: "https://x.example/", elicitationId: "e" }];
    (await place.arrives()).fail({ code: -32042, message: "Sign in first", data: { elicitations } });
    const { result } = await sent.answer;
    expect(result).toMatchObject({ resultType: "input_required" });
    expect(result).not.toHaveProperty("requestState");
    const [asked] = Object.entries<Message>(result.inputRequests);
    expect(asked![1]).toEqual({
      method: "elicitation/create",
      params: { mode: "url", message: "Sign in", url: "https://x.example/" },
    });
    const retry = await send(place.url, place.key, { inputResponses: { [asked![0]]: { action: "accept" } } });
    const again = await place.arrives();
    expect(again.message["params"]).not.toHaveProperty("inputResponses");
    again.answer({ content });
    expect((await retry.answer).result).toMatchObject({ resultType: "complete" });
  });
});

describe("What a retry lacks", () => {
  test.each([
    ["nothing", undefined],
    ["no key that was asked", { other: accepted }],
    ["an answer of another form", { "elicitation-1": 12345 }],
    ["an action that there is not", { "elicitation-1": { action: "maybe" } }],
  ])("is asked for again: %s. [R:bridges.missing-responses]", async (_, inputResponses) => {
    const place = await upstreamOf("handshake");
    const { call, state, question } = await parked(place);
    const incomplete = await send(place.url, place.key, {
      ...(inputResponses && { inputResponses }),
      requestState: state,
    });
    const { result } = await incomplete.answer;
    expect(Object.keys(result.inputRequests)).toEqual([question]);
    expect(call.told).toEqual([]);
    const retry = await send(place.url, place.key, {
      inputResponses: { [question]: accepted },
      requestState: result.requestState,
    });
    await call.hears(reply(1));
    call.answer({ content });
    expect((await retry.answer).result.resultType).toBe("complete");
  });

  test("is refused where it is no object at all, and the state stays good.", async () => {
    const place = await upstreamOf("handshake");
    const { call, state, question } = await parked(place);
    const wrong = await send(place.url, place.key, { inputResponses: null, requestState: state });
    expect((await wrong.answer).error).toMatchObject({ code: -32602 });
    const retry = await send(place.url, place.key, {
      inputResponses: { [question]: accepted },
      requestState: state,
    });
    await call.hears(reply(1));
    call.answer({ content });
    expect((await retry.answer).result.resultType).toBe("complete");
  });
});

describe("A state that names a call that waits", () => {
  test("is good for one retry: of two at once one is served, the other refused. [R:bridges.state-once]", async () => {
    const place = await upstreamOf("handshake");
    const { call, state, question } = await parked(place);
    const again = { inputResponses: { [question]: accepted }, requestState: state };
    const [one, other] = await Promise.all([
      send(place.url, place.key, again),
      send(place.url, place.key, again),
    ]);
    await call.hears(reply(1));
    const refused = await Promise.race([one.answer, other.answer]);
    expect(refused.error).toMatchObject({
      code: -32602,
      message: expect.stringContaining("was used already"),
    });
    call.answer({ content });
    const both = await Promise.all([one.answer, other.answer]);
    expect(both.filter(({ result }) => result?.resultType === "complete")).toHaveLength(1);
    expect(call.told).toHaveLength(1);
    const late = await send(place.url, place.key, again);
    expect((await late.answer).error).toMatchObject({
      code: -32602,
      message: expect.stringContaining("is over"),
    });
  });

  test("is refused in the hands of another, for another request, and when it was changed. [R:bridges.state-bound]", async () => {
    const place = await upstreamOf("handshake");
    const { call, state, question } = await parked(place, { arguments: { a: 1 } });
    const inputResponses = { [question]: accepted };
    const stranger = place.world.key({ roles: { s: "user" } }).key;
    const good = { arguments: { a: 1 }, inputResponses, requestState: state };
    const refused = await Promise.all([
      send(place.url, stranger, good),
      send(place.url, place.key, { ...good, arguments: { a: 2 } }),
      send(place.url, place.key, { ...good, requestState: `${state}-TAMPERED` }),
      send(place.url, place.key, { ...good, requestState: "invented" }),
    ]);
    const errors = await Promise.all(refused.map(async ({ answer }) => (await answer).error));
    expect(errors.map(({ code }) => code)).toEqual([-32602, -32602, -32602, -32602]);
    expect(new Set(errors.map(({ message }) => message)).size).toBe(1);
    expect(call.told).toEqual([]);
    const retry = await send(place.url, place.key, good);
    await call.hears(reply(1));
    call.answer({ content });
    expect((await retry.answer).result.resultType).toBe("complete");
  });

  test("tells its client to call again when the process that held the call is gone. [R:bridges.dead-holder]", async () => {
    const place = await upstreamOf("handshake");
    const { state, question } = await parked(place);
    place.world.restart();
    const retry = await send(place.url, place.key, {
      inputResponses: { [question]: accepted },
      requestState: state,
    });
    expect((await retry.answer).error).toMatchObject({
      code: -32602,
      message: expect.stringContaining("Send the request anew, without requestState"),
      data: { boundary: "session" },
    });
  });
});
