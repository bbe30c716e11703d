import fc from "fast-check";
import { expect, test } from "vitest";
import { headerText, headerValue } from "../../src/mcp/envelope.ts";
import { isMisannotated, parameterFault, parameterHeaders } from "../../src/mcp/parameters.ts";
import { isFault, readStateless } from "../../src/mcp/stateless.ts";

const text = fc.string({ unit: "grapheme" });
const headersOf = (list: readonly string[]) =>
  Object.fromEntries(list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1]!]] : [])));

test("Any text survives being mirrored into a header, in characters that a header may hold.", () => {
  fc.assert(
    fc.property(fc.oneof(text, fc.constantFrom("=?base64?eA==?=", " padded ", "a\nb", "", "\t")), (value) => {
      const header = headerValue(value);
      expect(header).toMatch(/^[\x20-\x7e]*$/);
      expect(headerText(header)).toBe(value.toWellFormed());
    }),
  );
});

test("Any bytes in a header read as a text or as nothing, never with a throw.", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (value) => {
      for (const given of [value, `=?base64?${value}?=`]) {
        expect(["string", "undefined"]).toContain(typeof headerText(given));
      }
    }),
  );
});

test("Whatever the arguments, the headers that are made of them agree with them, and a changed one does not.", () => {
  const type = fc.constantFrom("string", "integer", "boolean");
  const property = fc.record({ type, nested: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(property, { minLength: 1, maxLength: 8 }),
      fc.infiniteStream(text),
      (given, texts) => {
        const properties: Record<string, unknown> = {};
        const args: Record<string, unknown> = {};
        given.forEach(({ type: kind, nested }, at) => {
          const value =
            kind === "string" ? texts.next().value! : kind === "integer" ? at * 7919 - 4000 : at % 2 === 0;
          const schema = { type: kind, "x-mcp-header": `P${at}` };
          properties[`p${at}`] = nested ? { type: "object", properties: { inner: schema } } : schema;
          args[`p${at}`] = nested ? { inner: value } : value;
        });
        const definition = { name: "t", inputSchema: { type: "object", properties } };
        const params = { name: "t", arguments: args };
        const headers = headersOf(parameterHeaders(definition, params));
        expect(Object.keys(headers)).toHaveLength(given.length);
        expect(parameterFault(definition, params, headers)).toBeUndefined();
        const changed = { ...headers, "mcp-param-p0": `${headers["mcp-param-p0"]}x` };
        expect(parameterFault(definition, params, changed)).toMatchObject({ status: 400, code: -32020 });
        const { "mcp-param-p0": _, ...missing } = headers;
        expect(parameterFault(definition, params, missing)).toMatchObject({ status: 400, code: -32020 });
      },
    ),
  );
});

test("Any schema is read without a throw, and an annotation where none may be makes the tool ask for nothing.", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.jsonValue({ maxDepth: 4 }), (schema, args) => {
      const definition = { name: "t", inputSchema: schema } as Record<string, unknown>;
      parameterFault(definition, { arguments: args } as Record<string, unknown>, {});
    }),
  );
  const invalid = [
    { a: { type: "number", "x-mcp-header": "A" } },
    { a: { type: "string", "x-mcp-header": "" } },
    { a: { type: "string", "x-mcp-header": "a b" } },
    { a: { type: "string", "x-mcp-header": "A" }, b: { type: "string", "x-mcp-header": "a" } },
    {
      a: { type: "string", "x-mcp-header": "A" },
      b: { type: "array", items: { type: "string", "x-mcp-header": "B" } },
    },
  ];
  for (const properties of invalid) {
    const definition = { name: "t", inputSchema: { type: "object", properties } };
    expect(parameterHeaders(definition, { arguments: { a: "x", b: "y" } })).toEqual([]);
    expect(isMisannotated(definition)).toBe(true);
  }
});

test("A schema that nests without end is read in bounded time.", () => {
  let schema: Record<string, unknown> = { type: "string", "x-mcp-header": "Deep" };
  for (let level = 0; level < 5_000; level++) schema = { type: "object", properties: { a: schema } };
  expect(parameterHeaders({ name: "t", inputSchema: schema }, { arguments: {} })).toEqual([]);
});

test("Any stateless request and any headers are judged without a throw; only headers that repeat the body pass.", () => {
  const version = fc.constantFrom("2026-07-28", "2025-11-25", "2030-01-01", 7, undefined);
  const name = fc.oneof(fc.constantFrom("t", "tools/call", "2026-07-28"), text);
  fc.assert(
    fc.property(
      version,
      fc.constantFrom("tools/call", "tools/list", "resources/read"),
      name,
      fc.dictionary(
        fc.constantFrom("mcp-protocol-version", "mcp-method", "mcp-name"),
        fc.oneof(name, fc.array(fc.string())),
      ),
      (revision, method, called, headers) => {
        const params = {
          name: called,
          uri: called,
          _meta: {
            "io.modelcontextprotocol/protocolVersion": revision,
            "io.modelcontextprotocol/clientCapabilities": {},
          },
        };
        const judged = readStateless({ method, params }, headers);
        const agrees =
          revision === "2026-07-28" &&
          headers["mcp-protocol-version"] === revision &&
          headers["mcp-method"] === method &&
          (method === "tools/list" ||
            (typeof headers["mcp-name"] === "string" && headerText(headers["mcp-name"].trim()) === called));
        expect(isFault(judged)).toBe(!agrees);
      },
    ),
    { numRuns: 500 },
  );
});
