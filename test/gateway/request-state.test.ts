import { expect, test } from "vitest";
import { TestGateway } from "./harness.ts";
import { event, keep } from "./scene.ts";
import { json, type Received, ScriptedUpstream, statelessCall } from "./scripted.ts";

/** Asks for a name first, with a state of its own; greets once that state and the name come back. */
function asking({ res, message }: Received, answer: (response: object) => void): void {
  const { requestState, inputResponses } = message.params as {
    requestState?: string;
    inputResponses?: { who: { content: { name: string } } };
  };
  const result =
    requestState === 'own "state" \u2603'
      ? { content: [{ type: "text", text: `Hello, ${inputResponses?.who.content.name}` }] }
      : {
          resultType: "input_required",
          inputRequests: { who: { method: "elicitation/create", params: { message: "Who?" } } },
          requestState: 'own "state" \u2603',
        };
  void res;
  answer({ jsonrpc: "2.0", id: message.id, result: { resultType: "complete", ...result } });
}

const forms = {
  JSON: (received: Received) => asking(received, (response) => json(received.res, response)),
  "an event stream": (received: Received) =>
    asking(received, (response) => {
      received.res.writeHead(200, { "content-type": "text/event-stream" });
      const bytes = Buffer.from(`: hello\n\n${event(response)}`);
      // In two pieces, cut within the words that are looked for.
      const cut = Math.max(12, bytes.indexOf("_required"));
      received.res.write(bytes.subarray(0, cut), () => received.res.end(bytes.subarray(cut)));
    }),
};

async function place(script: (received: Received) => void) {
  const upstream = keep(await ScriptedUpstream.start(script));
  const world = keep(await TestGateway.start());
  const url = world.publish("s", { address: upstream.address });
  world.publish("other", { address: upstream.address });
  const roles = { s: "user", other: "user" } as const;
  const { key } = world.key({ roles });
  const call = async (params: Record<string, unknown>, as = key, at = url, meta = {}) => {
    const given = statelessCall("tools/call", { name: "greet", arguments: { n: 1 }, ...params }, meta);
    const headers = { ...given.headers, authorization: `Bearer ${as}` };
    const answer = await fetch(at, { method: "POST", headers, body: given.body });
    const text = await answer.text();
    return JSON.parse(text.startsWith("{") ? text : text.slice(text.lastIndexOf("data: ") + 6)) as {
      result?: { requestState?: string; content?: { text: string }[]; resultType: string };
      error?: { code: number; message: string };
    };
  };
  return { upstream, world, url, call, roles };
}

const answered = { who: { action: "accept", content: { name: "Ada" } } };

for (const [form, script] of Object.entries(forms)) {
  test(`A server that asks for input in ${form} gets its own state back, which the client never saw. [R:stateless-client.state-sealed]`, async () => {
    const { call, upstream } = await place(script);
    const first = await call({});
    expect(first.result?.resultType).toBe("input_required");
    const requestState = first.result!.requestState!;
    expect(requestState).not.toContain("own");
    const second = await call({ requestState, inputResponses: answered });
    expect(second.result?.content?.[0]?.text).toBe("Hello, Ada");
    expect(upstream.received[1]?.message.params?.["requestState"]).toBe('own "state" \u2603');
  });
}

for (const form of ["JSON", "an event stream"]) {
  test(`A question of any size in ${form} is one that its client can answer. [R:stateless-client.large-question]`, async () => {
    const image = "x".repeat(300_000);
    const { call, upstream } = await place(({ res, message }) => {
      const { requestState } = message.params as { requestState?: string };
      const result =
        requestState === image
          ? { resultType: "complete", content: [{ type: "text", text: "seen" }] }
          : {
              resultType: "input_required",
              inputRequests: { see: { params: { image } } },
              requestState: image,
            };
      const response = { jsonrpc: "2.0", id: message.id, result };
      if (form === "JSON") return json(res, response);
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.end(event(response));
    });
    const declared = { "io.modelcontextprotocol/clientCapabilities": { sampling: {} } };
    const requestState = (await call({}, undefined, undefined, declared)).result!.requestState!;
    const retry = { requestState, inputResponses: { see: {} } };
    const answer = await call(retry, undefined, undefined, declared);
    expect(answer.result?.content?.[0]?.text).toBe("seen");
    expect(upstream.received).toHaveLength(2);
  });
}

test("A state that is tampered with, of another principal, another endpoint or another request is refused. [R:stateless-client.state-bound]", async () => {
  const { call, upstream, world, url, roles } = await place(forms.JSON);
  const requestState = (await call({})).result!.requestState!;
  const retry = { requestState, inputResponses: answered };
  const stranger = world.key({ roles }).key;
  const changed = requestState.slice(0, -2) + (requestState.endsWith("AA") ? "BB" : "AA");
  const refusals = [
    await call({ ...retry, requestState: changed }),
    await call({ ...retry, requestState: 'own "state" \u2603' }),
    await call({ ...retry, requestState: 7 }),
    await call(retry, stranger),
    await call(retry, undefined, url.replace("/s/", "/other/")),
    await call({ ...retry, arguments: { n: 2 } }),
  ];
  expect(refusals.map(({ error }) => error?.code)).toEqual(Array(6).fill(-32602));
  expect(new Set(refusals.map(({ error }) => error?.message)).size).toBe(1);
  expect(upstream.received).toHaveLength(1);
  expect((await call(retry)).result?.content?.[0]?.text).toBe("Hello, Ada");
});

test("A state is good for an hour. [R:stateless-client.state-expires]", async () => {
  const { call, world } = await place(forms.JSON);
  const requestState = (await call({})).result!.requestState!;
  const began = Date.now();
  world.now = () => began + 59 * 60_000;
  expect((await call({ requestState, inputResponses: answered })).result).toBeDefined();
  world.now = () => began + 61 * 60_000;
  expect((await call({ requestState, inputResponses: answered })).error?.code).toBe(-32602);
});

test("Numbers that JavaScript cannot hold reach the upstream as they were written, with a state too.", async () => {
  const { call, upstream, url, world } = await place(forms.JSON);
  const exact = '{"n":12345678901234567890}';
  const post = async (extra: string) => {
    const given = statelessCall("tools/call", { name: "greet" });
    const body = given.body.replace('"name":"greet"', `"name":"greet","arguments":${exact}${extra}`);
    const { key } = world.key({ roles: { s: "user" } });
    return { key, body, headers: given.headers, url };
  };
  void call;
  const first = await post("");
  const send = async (body: string) =>
    (await (
      await fetch(url, {
        method: "POST",
        headers: { ...first.headers, authorization: `Bearer ${first.key}` },
        body,
      })
    ).json()) as { result: { requestState?: string; resultType: string } };
  const { requestState } = (await send(first.body)).result;
  const retried = await send((await post(`,"requestState":"${requestState}"`)).body);
  expect(retried.result.resultType).toBe("complete");
  expect(upstream.received[1]?.text).toContain(exact);
});

test("Large answers and ordinary events pass unread, whatever words they hold.", async () => {
  const large = `"input_required" ${"x".repeat(200_000)}`;
  const { call } = await place(({ req, res, message }) => {
    const response = {
      jsonrpc: "2.0",
      id: message.id,
      result: { resultType: "complete", content: [{ type: "text", text: large }] },
    };
    if ((message.params as { arguments: { n: number } }).arguments.n === 1) return json(res, response);
    void req;
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(event({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 1 } }));
    res.end(event(response));
  });
  for (const n of [1, 2]) {
    expect((await call({ arguments: { n } })).result?.content?.[0]?.text).toBe(large);
  }
});
