import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Lru } from "../../src/lib/lru.ts";
import { type Keyring, openBytes, openToken, sealBytes, sealToken } from "../../src/lib/seal.ts";
import { SseCounter, type SseEvent, SseReader, sseMessage, SseTooLarge } from "../../src/lib/sse.ts";
import { canonicalHash, canonicalJson } from "../../src/lib/canonical.ts";
import { headerText, readMessage, toHandshake } from "../../src/mcp/envelope.ts";
import { toStateless } from "../../src/mcp/translate.ts";

const runs = { numRuns: 300 };
const ring: Keyring = {
  current: "b",
  keys: new Map([
    ["a", randomBytes(32)],
    ["b", randomBytes(32)],
  ]),
};

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...at, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : at[i - 1]!, end));
}

test("Any bytes are read as some message, never with a throw.", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        expect(["request", "notification", "response", "batch", "invalid"]).toContain(
          readMessage(Buffer.from(bytes), 32).kind,
        );
      },
    ),
    runs,
  );
});

test("Any JSON-RPC request is read as what it says.", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.integer()),
      fc.string(),
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
      (id, method, params) => {
        const text = JSON.stringify({ jsonrpc: "2.0", id, method, params });
        const message = readMessage(Buffer.from(text), 32);
        expect(message).toMatchObject({ kind: "request", id, method });
        expect(JSON.stringify(message.kind === "request" && message.params)).toBe(
          JSON.stringify(JSON.parse(text).params),
        );
      },
    ),
    runs,
  );
});

test("Nesting is bounded exactly, and brackets in strings do not count.", () => {
  const nested = (depth: number, filler: string) =>
    Buffer.from(
      `{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"${filler}","b":${"[".repeat(depth - 2)}${"]".repeat(depth - 2)}}}`,
    );
  const brackets = '[{\\"'.repeat(100);
  expect(readMessage(nested(20, brackets), 20).kind).toBe("request");
  expect(readMessage(nested(21, brackets), 20)).toMatchObject({ kind: "invalid", code: "invalidRequest" });
});

test("A sealed token opens to what was sealed, and to nothing when any character differs.", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string()), fc.nat(), fc.nat(63), (claims, position, other) => {
      const token = sealToken(ring, "session", claims);
      expect(JSON.stringify(openToken(ring, "session", token))).toBe(JSON.stringify(claims));
      expect(openToken(ring, "another use", token)).toBeUndefined();
      const at = position % token.length;
      const letter = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[other]!;
      const changed = token.slice(0, at) + letter + token.slice(at + 1);
      if (changed !== token) expect(openToken(ring, "session", changed)).toBeUndefined();
    }),
    runs,
  );
});

test("Any text and any bytes open to nothing, never with a throw.", () => {
  fc.assert(
    fc.property(fc.string(), fc.uint8Array(), (text, bytes) => {
      expect(openToken(ring, "session", text)).toBeUndefined();
      expect(openBytes(ring, "session", bytes)).toBeUndefined();
    }),
    runs,
  );
});

test("What an older key of the ring sealed still opens; without that key it does not.", () => {
  const sealed = sealBytes({ ...ring, current: "a" }, "secret", Buffer.from("x"));
  expect(openBytes(ring, "secret", sealed)?.toString()).toBe("x");
  expect(openBytes({ current: "b", keys: new Map([["b", ring.keys.get("b")!]]) }, "secret", sealed)).toBe(
    undefined,
  );
});

test("A stream read in any pieces gives the events of the stream read whole, and the counter's number.", () => {
  const line = fc.constantFrom(
    "data: x",
    "data:y z",
    "data",
    "event: message",
    "id: 7",
    ": note",
    "other: q",
    "",
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r"))),
      fc.array(fc.nat(400)),
      (lines, cuts) => {
        const bytes = Buffer.from(lines.map(([text, end]) => text + end).join(""));
        const read = (chunks: Buffer[]) => {
          const events: SseEvent[] = [];
          const reader = new SseReader(1e6, (event) => void events.push(event));
          for (const chunk of chunks) reader.push(chunk);
          return events;
        };
        const count = (chunks: Buffer[]) => {
          const counter = new SseCounter();
          for (const chunk of chunks) counter.push(chunk);
          return counter.count;
        };
        expect(read(pieces(bytes, cuts))).toEqual(read([bytes]));
        expect(count(pieces(bytes, cuts))).toBe(count([bytes]));
      },
    ),
    runs,
  );
});

test("Any JSON survives being sent as an event, in any pieces.", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.array(fc.nat(400)), (value, cuts) => {
      const text = JSON.stringify(value);
      const events: SseEvent[] = [];
      const reader = new SseReader(1e6, (event) => void events.push(event));
      const counter = new SseCounter();
      for (const piece of pieces(Buffer.from(sseMessage(text)), cuts)) {
        reader.push(piece);
        counter.push(piece);
      }
      expect(events.map((event) => event.data)).toEqual([text]);
      expect(counter.count).toBe(1);
    }),
    runs,
  );
});

test("An event larger than the bound is refused, finished or not.", () => {
  const reader = () => new SseReader(100, () => {});
  expect(() => reader().push(Buffer.from(`data: ${"x".repeat(200)}`))).toThrow(SseTooLarge);
  expect(() => reader().push(Buffer.from("data: xxxx\n".repeat(20)))).toThrow(SseTooLarge);
});

test("Equal values have one canonical text, whatever the order of their keys.", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), (value) => {
      const turned = Object.fromEntries(Object.entries(value).reverse());
      expect(canonicalJson(turned)).toBe(canonicalJson(value));
      expect(canonicalHash(turned)).toBe(canonicalHash(value));
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    runs,
  );
});

test("A header in base64 reads as the text it stands for; a broken one as nothing.", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (text) => {
      expect(headerText(`=?base64?${Buffer.from(text).toString("base64")}?=`)).toBe(text);
    }),
    runs,
  );
  expect(headerText("=?base64?%%%?=")).toBeUndefined();
  expect(headerText("plain")).toBe("plain");
});

test("For a handshake upstream the envelope leaves `_meta`; progress, trace and foreign keys stay.", () => {
  const message = readMessage(
    Buffer.from(
      JSON.stringify({
        jsonrpc: "2.0",
        id: "a",
        method: "tools/call",
        params: {
          name: "t",
          _meta: {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            progressToken: 4,
            traceparent: "00-x",
            "example.com/own": 1,
          },
        },
      }),
    ),
    32,
  );
  if (message.kind !== "request") throw new Error("not a request");
  expect(JSON.parse(toHandshake(message))).toEqual({
    jsonrpc: "2.0",
    id: "a",
    method: "tools/call",
    params: { name: "t", _meta: { progressToken: 4, traceparent: "00-x", "example.com/own": 1 } },
  });
});

test("A handshake server's answers become the stateless era's. [R:bridges.translated]", () => {
  const request = {
    id: 1,
    method: "resources/read",
    params: {},
    logLevel: "warning",
    serverInfo: { name: "s" },
  };
  const rewrite = toStateless(request);
  const message = (value: object) => ({ jsonrpc: "2.0", ...value });
  expect(rewrite(message({ id: 1, result: { contents: [] } }))).toMatchObject({
    message: {
      result: {
        resultType: "complete",
        ttlMs: 0,
        cacheScope: "private",
        _meta: { "io.modelcontextprotocol/serverInfo": { name: "s" } },
      },
    },
  });
  expect(rewrite(message({ id: 1, error: { code: -32002, message: "gone" } }))).toMatchObject({
    message: { error: { code: -32602, message: "gone" } },
  });
  const log = (level: string) =>
    rewrite(message({ method: "notifications/message", params: { level } })).kind;
  expect([log("info"), log("warning"), log("alert")]).toEqual(["drop", "pass", "pass"]);
  expect(rewrite(message({ method: "notifications/tools/list_changed" })).kind).toBe("drop");
  expect(rewrite(message({ method: "notifications/progress", params: {} })).kind).toBe("drop");
  expect(rewrite(message({ id: 9, method: "elicitation/create", params: {} })).kind).toBe("impossible");
});

test("What was used among the last entries stays; what was not is forgotten, so that memory is bounded.", () => {
  const lru = new Lru<number, string>(10);
  lru.set(-1, "kept");
  for (let i = 0; i < 1000; i++) {
    lru.set(i, "new");
    expect(lru.get(-1)).toBe("kept");
    for (let back = 0; back < Math.min(i, 8); back++) expect(lru.get(i - back)).toBe("new");
  }
  const left = Array.from({ length: 1000 }, (_, i) => lru.get(i)).filter((value) => value !== undefined);
  expect(left.length).toBeLessThanOrEqual(20);
  lru.delete(-1);
  expect(lru.get(-1)).toBeUndefined();
});

test("A key that occurs twice where a request is judged is refused, however it is spelled.", () => {
  const read = (text: string) => readMessage(Buffer.from(text), 128).kind;
  const request = (params: string) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;
  expect(read(request('{"name":"a","arguments":{"x":{"y":1,"y":2}}}'))).toBe("request");
  expect(read(request('{"name":"a:b","arguments":{"x":["{\\":",{"z":1}]}}'))).toBe("request");
  for (const twice of [
    request('{"name":"a","name":"b"}'),
    request('{"name":"a","n\\u0061me":"b"}'),
    request('{"name":"a","_meta":{"k":1,"k":2}}'),
    request('{"name":"a","arguments":{"x":1,"x":1}}'),
    request('{"name":"a","__proto__":{},"__proto__":{}}'),
    '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"a"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}',
  ]) {
    expect([twice, read(twice)]).toEqual([twice, "invalid"]);
  }
});

test("Any request without a key twice is read, whatever stands in its params.", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (params) => {
      const text = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "m", params });
      expect(readMessage(Buffer.from(text), 128).kind).toBe("request");
    }),
  );
});
