import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { DEEPEST, parseBounded, parseLossless } from "../../src/mcp/lossless.ts";

const runs = { numRuns: 1000 };
const raw = JSON as unknown as { rawJSON(text: string): unknown };

afterEach(() => void vi.restoreAllMocks());

const digits = (most: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: most }).map((each) => each.join(""));

/** A number of any length, of JSON's grammar (RFC 8259, 6). */
const number = fc
  .tuple(
    fc.constantFrom("", "-"),
    fc.oneof(
      fc.constant("0"),
      fc.tuple(fc.integer({ min: 1, max: 9 }), digits(40)).map((each) => each.join("")),
    ),
    fc.oneof(
      fc.constant(""),
      digits(40).map((each) => `.${each}`),
    ),
    fc.oneof(
      fc.constant(""),
      fc
        .tuple(fc.constantFrom("e", "E"), fc.constantFrom("", "-", "+"), digits(4))
        .map((each) => each.join("")),
    ),
  )
  .map((parts) => parts.join(""));

/** A number that JavaScript has no room for, in digits or in size. */
const big = fc
  .tuple(fc.constantFrom("", "-"), digits(12), digits(24), fc.constantFrom("", "e7", "E-9", "e400", "E-0400"))
  .map(([sign, before, after, exponent]) => `${sign}1${before}234567890123456789.${after}7${exponent}`);

/** JSON text whose numbers are big or small and whole, without white space. */
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    big,
    fc.oneof(
      fc.integer().map(String),
      fc.oneof(fc.string(), big, fc.constant('\\"1234567890123456789')).map((text) => JSON.stringify(text)),
      fc.constantFrom("true", "false", "null"),
    ),
    fc.array(tie("json")).map((each) => `[${each.join()}]`),
    fc.dictionary(fc.oneof(fc.string(), big, fc.constant("__proto__")), tie("json")).map(
      (each) =>
        `{${Object.entries(each)
          .map(([key, value]) => `${JSON.stringify(`k${key}`)}:${value}`)
          .join()}}`,
    ),
  ),
}));

test("Any JSON with big numbers survives, digit by digit. [R:messages.exact]", () => {
  fc.assert(
    fc.property(json, (text) => {
      expect(JSON.stringify(parseLossless(text))).toBe(text);
    }),
    runs,
  );
  for (const text of [
    '{"__proto__":12345678901234567890}',
    '{"__proto__":{"a":[1e400]}}',
    "1E-400",
    "9007199254740993",
  ]) {
    expect(JSON.stringify(parseLossless(text))).toBe(text);
  }
});

test("Any number keeps its value, and is plain where JavaScript can hold it.", () => {
  fc.assert(
    fc.property(number, (text) => {
      const kept = JSON.stringify(parseLossless(`[${text}]`)).slice(1, -1);
      if (kept !== text) expect(kept).toBe(JSON.stringify(JSON.parse(text)));
      if (String(JSON.parse(text)) === text) expect(parseLossless(text)).toBe(JSON.parse(text));
    }),
    runs,
  );
  expect(parseLossless("[0.30000000000000004,9007199254740992]")).toEqual([
    0.30000000000000004, 9007199254740992,
  ]);
});

test("What is no JSON is none with big numbers either.", () => {
  const piece = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    " ",
    "\n",
    '"a"',
    '"',
    "\\",
    "1",
    "-",
    ".",
    "e5",
    "01",
    "true",
    "12345678901234567890",
    "1e400",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join("");
      const read = (parse: (text: string) => unknown) => {
        try {
          return { value: JSON.stringify(JSON.parse(JSON.stringify(parse(text)))) };
        } catch {
          return;
        }
      };
      expect(read(parseLossless)).toEqual(read(JSON.parse));
    }),
    { numRuns: 5000 },
  );
  for (const text of [
    "{12345678901234567890:1}",
    '{"a":01234567890123456789,"a":1}',
    "[1234567890123456-5]",
  ]) {
    expect(() => parseLossless(text)).toThrow(SyntaxError);
  }
});

test("One big number among millions of small ones is the only one looked at. [R:messages.linear]", () => {
  const parsed = vi.spyOn(JSON, "parse");
  const kept = vi.spyOn(raw, "rawJSON");
  const text = `{"a":[${"1,".repeat(3 << 20)}1234567890123456789,"1234567890123456789"]}`;
  const value = parseLossless(text);
  // With a reviver, JSON.parse would call it for each of the millions.
  expect(parsed.mock.calls.map((given) => given.length)).toEqual([1]);
  expect(kept.mock.calls).toEqual([["1234567890123456789"]]);
  expect(JSON.stringify(value) === text).toBe(true);
});

test("Nesting is bounded exactly, with big numbers and without; brackets in strings do not count.", () => {
  const nested = (depth: number, inner: string) => `${"[".repeat(depth)}${inner}${"]".repeat(depth)}`;
  const brackets = JSON.stringify('\\"[{'.repeat(DEEPEST));
  for (const parse of [parseBounded, parseLossless]) {
    for (const inner of ["1", "1234567890123456789.5", brackets]) {
      expect(() => parse(nested(DEEPEST, inner))).not.toThrow();
      expect(() => parse(nested(DEEPEST + 1, inner))).toThrow(RangeError);
    }
  }
});
