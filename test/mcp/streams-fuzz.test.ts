import fc from "fast-check";
import { expect, test } from "vitest";
import { readEventId, streamName } from "../../src/gateway/streams/event-id.ts";
import { beginsWithResponse } from "../../src/gateway/streams/first-event.ts";
import { isPlain } from "../../src/gateway/exchange/outcome.ts";
import { soleEvent, type SseEvent, SseReader } from "../../src/lib/sse.ts";
import { isBatch, splitArray } from "../../src/mcp/batch.ts";
import { glance, GLANCE_BYTES } from "../../src/mcp/glance.ts";

const runs = { numRuns: 500 };
const id = fc.oneof(fc.string(), fc.integer());
const value = fc.jsonValue({ maxDepth: 3 });

/** Members of a message in any order, with any white space of JSON's. */
function spelled(members: Record<string, unknown>, order: readonly number[], space: string): string {
  const entries = Object.entries(members).map(
    ([key, of]) => `${JSON.stringify(key)}${space}:${JSON.stringify(of)}`,
  );
  const shuffled = entries.map((entry, i) => ({ entry, at: order[i] ?? i })).toSorted((a, b) => a.at - b.at);
  return `{${space}${shuffled.map(({ entry }) => entry).join(`,${space}`)}${space}}`;
}

const order = fc.array(fc.integer(), { minLength: 4, maxLength: 4 });
const space = fc.constantFrom("", " ", "\n", "\t ");

test("A glance never takes a call for a response, nor a response for a call.", () => {
  fc.assert(
    fc.property(id, value, order, space, fc.constantFrom("result", "error"), (of, content, by, gap, kind) => {
      const response = spelled({ jsonrpc: "2.0", id: of, [kind]: content }, by, gap);
      const call = spelled({ jsonrpc: "2.0", id: of, method: "m", params: { [kind]: content } }, by, gap);
      expect(glance(response.slice(0, GLANCE_BYTES))).not.toBe("call");
      expect(glance(call.slice(0, GLANCE_BYTES))).not.toBe("response");
    }),
    runs,
  );
});

test("What SDKs write is told at a glance.", () => {
  for (const text of [
    '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}',
    '{"result":{"content":[]},"jsonrpc":"2.0","id":1}',
    '{"jsonrpc": "2.0", "id": "a\\"b", "error": {"code": 1}}',
  ]) {
    expect(glance(text)).toBe("response");
    expect(beginsWithResponse(Buffer.from(`event: message\r\ndata: ${text}\r\n\r\n`))).toBe(true);
  }
  for (const text of [
    '{"method":"notifications/progress","params":{"result":1},"jsonrpc":"2.0"}',
    '{"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{}}',
  ]) {
    expect(glance(text)).toBe("call");
    expect(beginsWithResponse(Buffer.from(`data: ${text}\n\n`))).toBe(false);
  }
});

test("A stream's beginning is told the same however it is cut, or not yet.", () => {
  const property = fc.property(
    id,
    value,
    fc.constantFrom("\n", "\r\n"),
    fc.boolean(),
    fc.nat(),
    (of, content, end, primed, cut) => {
      const json = JSON.stringify({ jsonrpc: "2.0", id: of, result: content });
      const head = primed ? `id: 1${end}data:${end}${end}` : `: ping${end}${end}event: message${end}`;
      const whole = Buffer.from(`${head}data: ${json}${end}${end}`);
      const told = beginsWithResponse(whole);
      const early = beginsWithResponse(whole.subarray(0, cut % (whole.length + 1)));
      // An id must be read, and so is nothing that passes unread.
      return (early === undefined || early === told) && !(primed && told === true);
    },
  );
  expect(fc.check(property, runs)).toMatchObject({ failed: false, counterexample: null });
});

test("A batch is split into its very values.", () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 20 }), space, (values, gap) => {
      const text = `${gap}[${gap}${values.map((each) => JSON.stringify(each)).join(`${gap},${gap}`)}${gap}]${gap}`;
      const bytes = Buffer.from(text);
      expect(isBatch(bytes)).toBe(true);
      const parts = splitArray(bytes, 20)!;
      expect(parts.map((part) => part.toString().trim())).toEqual(values.map((each) => JSON.stringify(each)));
      if (values.length > 0) expect(splitArray(bytes, values.length - 1)).toBeUndefined();
    }),
    runs,
  );
});

test("Only an array is a batch.", () => {
  fc.assert(
    fc.property(
      value.filter((each) => !Array.isArray(each)),
      (each) => {
        expect(isBatch(Buffer.from(JSON.stringify(each)))).toBe(false);
      },
    ),
    runs,
  );
});

test("An event's id says again what it was made of, and any other text is none or harmless.", () => {
  fc.assert(
    fc.property(fc.option(id, { nil: null }), fc.nat(), (request, seq) => {
      const name = streamName("a0b1c2", request);
      const read = readEventId(`holder-1_x.${name}.${seq}`);
      expect(read).toMatchObject({ holder: "holder-1_x", stream: name, seq });
      const encoded = Buffer.from(JSON.stringify(request)).toString("base64url");
      expect(read!.request).toBe(encoded.length <= 64 ? request : null);
    }),
    runs,
  );
  fc.assert(
    fc.property(fc.string(), (text) => void readEventId(text)),
    runs,
  );
});

test("A reader goes on with a stream that was let go anywhere, and knows the newest id of a whole event.", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 10 }), fc.nat(), (ids, cut) => {
      const data: string[] = [];
      const reader = new SseReader(1e6, (event) => void data.push(event.data));
      const bytes = Buffer.from(ids.map((each, i) => `id: ${each}\nretry: ${i}\ndata: ${i}\n\n`).join(""));
      reader.push(bytes.subarray(0, cut % (bytes.length + 1)));
      const whole = data.length;
      expect(reader.lastId).toBe(whole === 0 ? undefined : String(ids[whole - 1]));
      reader.restart();
      reader.push(Buffer.from("data: again\n\n"));
      expect(data.at(-1)).toBe("again");
      expect(reader.lastId).toBe(whole === 0 ? undefined : String(ids[whole - 1]));
    }),
    runs,
  );
});

test("A sole event is what a reader reads from the same bytes, and all that it reads.", () => {
  const line = fc.constantFrom(
    "data: ",
    "data:",
    "data",
    "event: message",
    "event: other",
    "id: 1",
    ": ping",
    "retry: 5",
  );
  const end = fc.constantFrom("\n", "\r\n", "\r", "\n\n", "\r\n\r\n", "\r\r");
  const bytes = fc.uint8Array({ maxLength: 8 }).map((each) => Buffer.from(each).toString("latin1"));
  const anything = fc.array(fc.oneof(line, end, bytes, fc.constant("\xef\xbb\xbf")), { maxLength: 10 });
  const likely = fc
    .tuple(fc.constantFrom("", "event: message\n", "event: message\r\n"), bytes, end)
    .map(([name, data, ending]) => [name, "data: ", data, ending]);
  let sole = 0;
  fc.assert(
    fc.property(fc.oneof(anything, likely), (pieces) => {
      const text = pieces.join("");
      const data = soleEvent(text);
      if (data === undefined) return;
      sole++;
      const events: SseEvent[] = [];
      const reader = new SseReader(1e6, (event) => void events.push(event));
      reader.push(Buffer.from(text, "latin1"));
      const { event, ...read } = events[0] ?? {};
      expect(events).toHaveLength(1);
      expect(read).toEqual({ id: undefined, data: Buffer.from(data, "latin1").toString() });
      expect(event ?? "message").toBe("message");
      expect([reader.lastId, reader.retryMs]).toEqual([undefined, undefined]);
      // Nothing is begun that the next event would go on with.
      reader.push(Buffer.from("data: next\n\n"));
      expect(events[1]).toEqual({ event: undefined, id: undefined, data: "next" });
    }),
    { numRuns: 3000 },
  );
  expect(sole).toBeGreaterThan(100);
});

test("An answer that is more than a plain result is never taken for one, however it is written.", () => {
  const gap = fc.array(fc.constantFrom(" ", "\t", "\n", "\r"), { maxLength: 4 }).map((each) => each.join(""));
  const telling = fc.constantFrom<Record<string, unknown>>(
    { result: { isError: true } },
    { error: { code: -32000, message: "no" } },
    { result: { resultType: "input_required" } },
    { result: { resultType: "task" } },
    { result: { task: { taskId: "1" } } },
  );
  fc.assert(
    fc.property(telling, id, value, gap, fc.boolean(), (what, of, content, space, first) => {
      const { result, ...rest } = what;
      const within =
        typeof result !== "object"
          ? rest
          : { result: first ? { ...result, content } : { content, ...result } };
      const message = first ? { ...within, jsonrpc: "2.0", id: of } : { jsonrpc: "2.0", id: of, ...within };
      const text = written(message, space);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(message)));
      expect(isPlain(text)).toBe(false);
      expect(isPlain(Buffer.from(`data: ${text}\n\n`).toString("latin1"))).toBe(false);
    }),
    runs,
  );
  expect(isPlain('{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":false}}')).toBe(true);
});

/** JSON text with `space` wherever white space may stand. */
function written(of: unknown, space: string): string {
  if (typeof of !== "object" || of === null) return JSON.stringify(of);
  const within = Array.isArray(of)
    ? of.map((each) => written(each, space))
    : Object.entries(of).map(
        ([key, each]) => `${JSON.stringify(key)}${space}:${space}${written(each, space)}`,
      );
  const [open, close] = Array.isArray(of) ? ["[", "]"] : ["{", "}"];
  return `${open}${space}${within.join(`${space},${space}`)}${space}${close}`;
}
