import { describe, expect, it } from "vitest";
import { exampleCall } from "../../web/components/example-call.ts";
import { argumentsOf, exampleOf } from "../../web/schema.ts";

const row = (
  name: string,
  type: string,
  required: boolean,
  description = "",
  fallback: string | null = null,
) => ({
  name,
  type,
  required,
  description,
  fallback,
});

describe("the table of a tool's arguments", () => {
  it("has a row per argument, required ones first, with type, default and description", () => {
    const schema = {
      type: "object",
      properties: {
        days: { type: "integer", default: 3 },
        city: { type: "string", description: "Where" },
        at: { type: "string", format: "date-time" },
      },
      required: ["city"],
    };
    expect(argumentsOf(schema)).toEqual([
      row("city", "string", true, "Where"),
      row("days", "integer", false, "", "3"),
      row("at", "string (date-time)", false),
    ]);
  });

  it("says choices, lists and what may be null in words", () => {
    const schema = {
      properties: {
        units: { enum: ["metric", "imperial"] },
        names: { type: "array", items: { type: "string" } },
        limit: { anyOf: [{ type: "integer" }, { type: "null" }] },
        either: { type: ["string", "number"] },
        kind: { const: "fixed" },
        anything: {},
        rows: { type: "array" },
      },
    };
    expect(argumentsOf(schema).map(({ name, type }) => [name, type])).toEqual([
      ["units", '"metric" or "imperial"'],
      ["names", "list of string"],
      ["limit", "integer or null"],
      ["either", "string or number"],
      ["kind", '"fixed"'],
      ["anything", "any"],
      ["rows", "list"],
    ]);
  });

  it("follows references and shows what lies within objects and lists by dotted names", () => {
    const schema = {
      $defs: {
        Place: {
          type: "object",
          description: "A place on earth",
          properties: { city: { type: "string" }, "a/b": { $ref: "#/$defs/a~1b" } },
          required: ["city"],
        },
        "a/b": { type: "boolean" },
      },
      properties: {
        place: { $ref: "#/$defs/Place" },
        others: { type: "array", items: { $ref: "#/$defs/Place" } },
        perhaps: { anyOf: [{ $ref: "#/$defs/Place" }, { type: "null" }], default: null },
      },
      required: ["place"],
    };
    expect(argumentsOf(schema)).toEqual([
      row("place", "object", true, "A place on earth"),
      row("place.city", "string", true),
      row("place.a/b", "boolean", false),
      row("others", "list of object", false),
      row("others[].city", "string", true),
      row("others[].a/b", "boolean", false),
      row("perhaps", "object or null", false, "", "null"),
      row("perhaps.city", "string", true),
      row("perhaps.a/b", "boolean", false),
    ]);
  });

  it("ends for a schema that contains itself, and for one of thousands of arguments", () => {
    const tree = {
      $defs: { Node: { type: "object", properties: { next: { $ref: "#/$defs/Node" } } } },
      properties: { root: { $ref: "#/$defs/Node" } },
    };
    expect(argumentsOf(tree).map(({ name }) => name)).toEqual([
      "root",
      "root.next",
      "root.next.next",
      "root.next.next.next",
    ]);
    const loop = { $defs: { A: { $ref: "#/$defs/A" } }, properties: { a: { $ref: "#/$defs/A" } } };
    expect(argumentsOf(loop)).toEqual([row("a", "any", false)]);
    const names = Array.from({ length: 5000 }, (_, index) => `a${index}`);
    const wide = { properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])) };
    expect(argumentsOf(wide)).toHaveLength(200);
  });

  it("is empty for what is no schema of an object, and breaks for none", () => {
    const nonsense = {
      properties: { a: null, b: 7, c: { $ref: "elsewhere" }, d: { enum: 3 } },
      required: "a",
    };
    for (const none of [undefined, null, "text", [], {}, { properties: [] }])
      expect(argumentsOf(none)).toEqual([]);
    expect(argumentsOf(nonsense).map(({ type }) => type)).toEqual(["any", "any", "any", "any"]);
    expect(
      argumentsOf({ properties: { __proto__: { type: "string" }, a: { $ref: "#/__proto__/x" } } }),
    ).toEqual([row("a", "any", false)]);
  });
});

describe("an example of a tool's arguments", () => {
  it("has what is required and nothing else, each value of its type", () => {
    const schema = {
      $defs: { Place: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } },
      properties: {
        place: { $ref: "#/$defs/Place" },
        days: { type: "integer", minimum: 2 },
        units: { enum: ["metric", "imperial"] },
        all: { type: "boolean" },
        tags: { type: "array", items: { type: "string" } },
        some: { type: "array", items: { type: "number" }, minItems: 1 },
        perhaps: { anyOf: [{ type: "string" }, { type: "null" }] },
        left: { type: "string" },
      },
      required: ["place", "days", "units", "all", "tags", "some", "perhaps", "absent"],
    };
    expect(exampleOf(schema)).toEqual({
      place: { city: "…" },
      days: 2,
      units: "metric",
      all: true,
      tags: [],
      some: [1],
      perhaps: "…",
    });
  });

  it("ends for a schema that contains itself, and is empty for what is none", () => {
    const node = { type: "object", properties: { next: { $ref: "#/$defs/Node" } }, required: ["next"] };
    expect(exampleOf({ $defs: { Node: node }, ...node })).toEqual({ next: { next: { next: { next: {} } } } });
    const list = { type: "array", minItems: 1, items: { $ref: "#/$defs/List" } };
    expect(JSON.stringify(exampleOf({ $defs: { List: list }, ...list }))).toMatch(/^\[+\]+$/);
    for (const none of [undefined, null, 7, [], {}]) expect(exampleOf(none)).toEqual({});
  });

  it("becomes a command that a shell takes as it is", () => {
    const tool = (name: string, inputSchema: object) => ({
      kind: "tool" as const,
      name,
      description: null,
      hash: "",
      definition: { inputSchema },
    });
    const needy = { properties: { why: { enum: ["it's so"] } }, required: ["why"] };
    expect(exampleCall("weather", [])).toBe("./offing tools weather");
    expect(exampleCall("weather", [tool("ask", needy), tool("ping", {})])).toBe("./offing call weather ping");
    expect(exampleCall("weather", [tool("ask", needy)])).toBe(
      `./offing call weather ask '{"why":"it'\\''s so"}'`,
    );
  });
});
