import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { asksFor, complete, content, declared, elicits, Session } from "./asked.ts";
import { accepted, form, upstreamOf } from "./asking.ts";

describe("What a stateless server needs from its client", () => {
  test("is asked for in requests on the stream of the call, and its answers go up with the retry. [R:bridges.server-requests]", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream, response } = await session.call({ arguments: { a: 1 } });
    const first = await place.arrives();
    first.answer(
      asksFor(
        {
          who: elicits,
          what: { method: "sampling/createMessage", params: { messages: [], maxTokens: 1 } },
          where: { method: "roots/list" },
        },
        "the state",
      ),
    );
    expect((await response).headers["content-type"]).toBe("text/event-stream");
    const [who, what, where] = [await stream.next(), await stream.next(), await stream.next()];
    expect(who).toMatchObject({ ...elicits, id: expect.stringMatching(/^offing\.\w+\.\w+$/) });
    expect(what).toMatchObject({ method: "sampling/createMessage", params: { messages: [], maxTokens: 1 } });
    expect(where).toMatchObject({ method: "roots/list", params: {} });
    const message = { role: "assistant", model: "m", content: { type: "text", text: "x" } };
    expect(await session.note({ id: what!["id"], result: message })).toEqual({ status: 202, body: "" });
    expect(await session.note({ id: where!["id"], result: { roots: [] } })).toEqual({
      status: 202,
      body: "",
    });
    expect(await session.note({ id: who!["id"], result: accepted })).toEqual({ status: 202, body: "" });
    const second = await place.arrives();
    expect(second.message["id"]).not.toBe(first.message["id"]);
    expect(second.message["params"]).toEqual({
      ...first.message["params"],
      inputResponses: { who: accepted, what: message, where: { roots: [] } },
      requestState: "the state",
    });
    second.answer(complete);
    expect(await stream.next()).toEqual({ jsonrpc: "2.0", id: 7, result: { content } });
    const record = await place.world.record((each) => each.method === "tools/call");
    expect(record).toMatchObject({ outcome: "complete", is_error: false });
  });

  test("is not taken from who may not call any more: the call waits, and goes on for who may again. [R:guards.answers-judged]", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call();
    (await place.arrives()).answer(asksFor({ who: elicits }));
    const { id } = await stream.next();
    place.world.grant(place.principal, "s", "viewer");
    expect((await session.note({ id, result: accepted })).status).toBe(403);
    place.world.grant(place.principal, "s", "user");
    expect((await session.note({ id, result: accepted })).status).toBe(202);
    (await place.arrives()).answer(complete);
    expect(await stream.next()).toMatchObject({ id: 7, result: { content } });
    expect(place.arrived.length).toBe(2);
  });

  test("may be asked for in several rounds, of which there are 16 at most. [R:bridges.rounds-bounded]", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call();
    for (let round = 0; round < 16; round++) {
      (await place.arrives()).answer(asksFor({ who: elicits }));
      await session.note({ id: (await stream.next())["id"], result: accepted });
    }
    (await place.arrives()).answer(asksFor({ who: elicits }));
    expect(await stream.next()).toMatchObject({ id: 7, error: { data: { boundary: "upstream" } } });
  });

  test("does not set back the progress that the client is told: each round begins anew, its request does not. [R:bridges.progress-grows]", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call({ _meta: { progressToken: "p" } });
    const progress = (at: number) => ({
      method: "notifications/progress",
      params: { progressToken: "p", progress: at },
    });
    const first = await place.arrives();
    first.say(progress(1), progress(2));
    first.answer(asksFor({ who: elicits }));
    const told = [await stream.next(), await stream.next()];
    await session.note({ id: (await stream.next())["id"], result: accepted });
    const second = await place.arrives();
    second.say(progress(1), progress(2), progress(3));
    second.answer(complete);
    told.push(await stream.next());
    expect(told.map(({ params }) => params.progress)).toEqual([1, 2, 3]);
    expect(await stream.next()).toMatchObject({ result: { content } });
  });

  test("may be nothing but to come back.", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call();
    (await place.arrives()).answer({ resultType: "input_required", requestState: "later" });
    const again = await place.arrives();
    expect(again.message["params"]).toMatchObject({ requestState: "later" });
    expect(again.message["params"]).not.toHaveProperty("inputResponses");
    again.answer(complete);
    expect(await stream.next()).toMatchObject({ result: { content } });
  });

  const url = {
    method: "elicitation/create",
    params: { mode: "url", message: "m", url: "https://x.example/" },
  };
  test.each([
    ["a capability that the session lacks", { sampling: {} }, "2025-11-25", elicits],
    ["an address from a client that shows forms only", { elicitation: {} }, "2025-11-25", url],
    ["an address in a revision that knows forms only", declared, "2025-06-18", url],
    ["anything in a revision that cannot elicit", declared, "2025-03-26", elicits],
    [
      "something that its protocol does not know",
      declared,
      "2025-11-25",
      { method: "tools/call", params: {} },
    ],
  ])(
    "is not asked for, and ends the call clearly, where it is %s. [R:bridges.undeclared-session]",
    async (_, capabilities, revision, asked) => {
      const place = await upstreamOf("stateless");
      const session = await Session.open(place, capabilities, revision);
      const { stream } = await session.call();
      (await place.arrives()).answer(asksFor({ it: asked }));
      expect(await stream.next()).toMatchObject({
        id: 7,
        error: { message: expect.stringContaining("cannot go on"), data: { boundary: "upstream" } },
      });
    },
  );

  test("is put in the words of the session's revision.", async () => {
    const place = await upstreamOf("stateless");
    const newer = await Session.open(place);
    const one = await newer.call();
    (await place.arrives()).answer(asksFor({ it: url }));
    expect(await one.stream.next()).toMatchObject({
      params: { ...url.params, elicitationId: expect.any(String) },
    });
    const older = await Session.open(place, declared, "2025-06-18");
    const other = await older.call();
    const said = await place.arrives();
    expect(said.message["params"]._meta["io.modelcontextprotocol/clientCapabilities"]).toEqual({
      elicitation: {},
      sampling: {},
      roots: {},
    });
    said.answer(asksFor({ it: elicits }));
    const { mode: _, ...older2025 } = form;
    expect((await other.stream.next())["params"]).toEqual(older2025);
  });

  test("is cancelled where the client answers a form with an error, and ends the call where nothing stands for that.", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call();
    (await place.arrives()).answer(asksFor({ who: elicits }));
    const error = { code: -1, message: "The person said no." };
    await session.note({ id: (await stream.next())["id"], error });
    const again = await place.arrives();
    expect(again.message["params"].inputResponses).toEqual({ who: { action: "cancel" } });
    again.answer(asksFor({ one: { method: "roots/list" }, two: elicits }));
    const [roots, other] = [await stream.next(), await stream.next()];
    await session.note({ id: roots["id"], error });
    expect(await stream.next()).toMatchObject({
      method: "notifications/cancelled",
      params: { requestId: other["id"] },
    });
    expect(await stream.next()).toMatchObject({
      id: 7,
      error: { message: expect.stringContaining("The person said no.") },
    });
  });

  test("is taken once, from the session that was asked, and from no other. [R:bridges.answers-bound]", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const other = await Session.open(place);
    const { stream } = await session.call();
    (await place.arrives()).answer(asksFor({ who: elicits, next: elicits }));
    const { id } = await stream.next();
    const refused = { status: 400, body: expect.stringContaining("Nobody waits") };
    expect(await other.note({ id, result: accepted })).toEqual(refused);
    expect(await session.note({ id, result: accepted })).toEqual({ status: 202, body: "" });
    expect(await session.note({ id, result: accepted })).toEqual(refused);
    expect(await session.note({ id: "offing.gone.abc", result: accepted })).toEqual(refused);
    expect(await session.note({ id: 5, result: accepted })).toEqual(refused);
  });

  test("is waited for as long as a person may take, whatever the request window. [R:bridges.person-bounded]", async () => {
    const place = await upstreamOf("stateless", { windowMs: 100, limits: { personMs: 400 } });
    const session = await Session.open(place);
    const { stream } = await session.call();
    (await place.arrives()).answer(asksFor({ who: elicits }));
    const { id } = await stream.next();
    // As long as the window lasts: another call runs into its end.
    const hanging = await session.call({}, 8);
    await place.arrives();
    expect(await hanging.stream.next()).toMatchObject({ error: { data: { boundary: "upstream" } } });
    await session.note({ id, result: accepted });
    (await place.arrives()).answer(asksFor({ who: elicits }));
    await stream.next();
    expect(await stream.next()).toMatchObject({ method: "notifications/cancelled" });
    expect(await stream.next()).toMatchObject({ id: 7, error: { data: { boundary: "session" } } });
  });

  test("is waited for no longer when the key of the call is revoked. [R:bridges.revoked-session]", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call();
    (await place.arrives()).answer(asksFor({ who: elicits }));
    await stream.next();
    place.world.revoke(place.key);
    expect(await stream.next()).toMatchObject({ method: "notifications/cancelled" });
    expect(await stream.next()).toMatchObject({ id: 7, error: { data: { boundary: "authentication" } } });
  });

  test("ends with an error when the gateway stops.", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call();
    (await place.arrives()).answer(asksFor({ who: elicits }));
    await stream.next();
    const closing = place.world.gateway.close();
    expect(await stream.next()).toMatchObject({ method: "notifications/cancelled" });
    expect(await stream.next()).toMatchObject({ id: 7, error: { data: { boundary: "runtime" } } });
    await closing;
  });
});

describe("A handshake client's call at a stateless server", () => {
  test("is cancelled by its notification, which aborts the request upstream. [R:bridges.cancel-by-notification]", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call({}, "mine");
    const call = await place.arrives();
    const other = await Session.open(place);
    await other.note({ method: "notifications/cancelled", params: { requestId: "mine" } });
    const params = { requestId: "mine", reason: "too slow" };
    expect(await session.note({ method: "notifications/cancelled", params })).toEqual({
      status: 202,
      body: "",
    });
    await call.closed();
    await expect(stream.next()).rejects.toThrow("The answer is over.");
  });

  test("is cancelled also while a person is asked.", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { stream } = await session.call();
    (await place.arrives()).answer(asksFor({ who: elicits }));
    const { id } = await stream.next();
    await session.note({ method: "notifications/cancelled", params: { requestId: 7 } });
    expect(await stream.next()).toMatchObject({
      method: "notifications/cancelled",
      params: { requestId: id },
    });
    await expect(stream.next()).rejects.toThrow("The answer is over.");
    expect((await session.note({ id, result: accepted })).status).toBe(400);
  });

  test("goes on when its client leaves, and can be come back to. [R:bridges.leaving-is-not-cancel]", async () => {
    const place = await upstreamOf("stateless");
    const session = await Session.open(place);
    const { req, response, stream } = await session.call();
    (await place.arrives()).answer(asksFor({ who: elicits }));
    const { id } = await stream.next();
    await response;
    req.destroy();
    await once(req, "close");
    expect(await session.note({ id, result: accepted })).toEqual({ status: 202, body: "" });
    const again = await place.arrives();
    again.answer(complete);
    const record = await place.world.record((each) => each.method === "tools/call");
    expect(record.is_error).toBe(false);
  });

  test("fails clearly when the server hangs, breaks off, or asks in a way of its own.", async () => {
    const place = await upstreamOf("stateless", { windowMs: 300 });
    const session = await Session.open(place);
    const broken = await session.call({}, 1);
    (await place.arrives()).res.destroy();
    expect(await broken.stream.next()).toMatchObject({ id: 1, error: { data: { boundary: "upstream" } } });
    const asking = await session.call({}, 2);
    (await place.arrives()).ask(1, "elicitation/create", form);
    expect(await asking.stream.next()).toMatchObject({ id: 2, error: { data: { boundary: "upstream" } } });
    const hanging = await session.call({}, 3);
    const call = await place.arrives();
    expect(await hanging.stream.next()).toMatchObject({
      id: 3,
      error: { message: expect.stringContaining("300 ms") },
    });
    await call.closed();
  });
});
