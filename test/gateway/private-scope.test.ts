import { describe, expect, test } from "vitest";
import { type Asked, send } from "./asked.ts";
import { type Arrived, upstreamOf } from "./asking.ts";

const shared = { resultType: "complete", ttlMs: 60_000, cacheScope: "public" };
const read = (text: string) => ({ ...shared, contents: [{ uri: "note://x", text }] });

/** What a resource's reader gets of an answer. */
async function reading(
  answer: (call: Arrived) => void | Promise<void>,
  era: "stateless" | "handshake" = "stateless",
) {
  const place = await upstreamOf(era);
  const asked: Asked = { capabilities: {} };
  const sent = await send(place.url, place.key, asked, "resources/read");
  await answer(await place.arrives());
  const { result, status } = await sent.answer;
  expect(status).toBe(200);
  return result;
}

/** Sends text in pieces, each on its own way. */
async function pieces({ res }: Arrived, texts: readonly string[]): Promise<void> {
  for (const text of texts) await new Promise<void>((sent) => res.write(text, () => setImmediate(sent)));
  res.end();
}

const words = '"cacheScope":"public"';
const text = `It says ${words}, and means it: ${JSON.stringify(words)}`;

describe("What was read for one principal is for no other, whatever its server says", () => {
  test("in one piece. [R:stateless-client.read-private]", async () => {
    expect(await reading((call) => call.answer(read(text)))).toEqual({
      ...read(text),
      cacheScope: "private",
    });
  });

  test("as an event.", async () => {
    const result = await reading((call) => {
      call.say();
      call.answer(read(text));
    });
    expect(result).toEqual({ ...read(text), cacheScope: "private" });
  });

  test.each([
    ["whose length is told", true],
    ["whose length is not", false],
  ])(
    "of a resource larger than is ever held, %s, wherever it is cut. [R:stateless-client.read-private-large]",
    async (_, told) => {
      const large = `${text} ${"ä".repeat(150_000)}`;
      for (const cut of [1, 5, 12, 13, 15, 21]) {
        const result = await reading(async (call) => {
          const message = {
            jsonrpc: "2.0",
            id: call.message["id"],
            result: { contents: read(large).contents, ...shared },
          };
          const json = JSON.stringify(message);
          const at = json.lastIndexOf(words) + cut;
          const length = told ? { "content-length": Buffer.byteLength(json) } : {};
          call.res.writeHead(200, { "content-type": "application/json", ...length });
          await pieces(call, [json.slice(0, 100_000), json.slice(100_000, at), json.slice(at)]);
        });
        expect(result).toEqual({ ...read(large), cacheScope: "private" });
      }
    },
  );

  test("of an event larger than is ever held.", async () => {
    const large = `${text} ${"ä".repeat(150_000)}`;
    const result = await reading(async (call) => {
      const json = JSON.stringify({ jsonrpc: "2.0", id: call.message["id"], result: read(large) });
      call.res.writeHead(200, { "content-type": "text/event-stream" });
      await pieces(call, [
        `data: ${json.slice(0, 70)}`,
        json.slice(70, 100_000),
        `${json.slice(100_000)}\n\n`,
      ]);
    });
    expect(result).toEqual({ ...read(large), cacheScope: "private" });
  });

  test("at a server of the handshake era that says so.", async () => {
    const result = await reading((call) => call.answer(read(text)), "handshake");
    expect(result).toMatchObject({ cacheScope: "private", contents: read(text).contents });
  });
});

test("A resource that says private already passes as it was written.", async () => {
  const result = await reading(({ message, res }) => {
    const json = `{"jsonrpc":"2.0","id":${message["id"]},"result":{"resultType":"complete", "ttlMs":1, "cacheScope" : "private","contents":[],"_meta":{"public":"public"}}}`;
    res.writeHead(200, { "content-type": "application/json", "content-length": json.length }).end(json);
  });
  expect(result).toEqual({
    resultType: "complete",
    ttlMs: 1,
    cacheScope: "private",
    contents: [],
    _meta: { public: "public" },
  });
});

const written = (id: unknown, resource: string) => {
  const result = { contents: read(resource).contents, resultType: "complete", ttlMs: 0 };
  return `data: ${JSON.stringify({ jsonrpc: "2.0", id, result: { ...result, cacheScope: "private" } })}\n\n`;
};

test.each([
  { what: "A resource", large: "", cut: 0 },
  { what: "A resource larger than is ever held", large: "ä".repeat(150_000), cut: 1 },
])(
  "$what that says private already reaches its reader whole, though the server breaks off after it. [R:stateless-client.read-private-whole]",
  async ({ large, cut }) => {
    const place = await upstreamOf("stateless");
    const sent = await send(place.url, place.key, { capabilities: {} }, "resources/read");
    const { res, message } = await place.arrives();
    const answer = written(message["id"], `${text} ${large}`);
    res.writeHead(200, { "content-type": "text/event-stream" });
    const at = answer.length - cut;
    for (const piece of [answer.slice(0, 70), answer.slice(70, at), answer.slice(at)]) {
      await new Promise<void>((gone) => res.write(piece, () => setImmediate(gone)));
    }
    res.socket!.destroy();
    const { messages } = await sent.answer;
    expect(messages).toEqual([JSON.parse(answer.slice(6))]);
  },
);
