import type { Requirement } from "./requirement.ts";

/** What reading and writing a message anew costs, and keeps. */
export const messages: readonly Requirement[] = [
  {
    id: "bridges.exact-numbers",
    behaviour: "Translation keeps every digit of a number.",
    section: "2026-07-28 basic",
    break: {
      file: "src/mcp/lossless.ts",
      from: "if (!isLossy(text)) return parseBounded(text);",
      to: 'if (text !== "") return parseBounded(text);',
      test: "test/gateway/parked.test.ts",
    },
  },
  {
    id: "messages.exact",
    behaviour: "A number keeps every digit wherever it stands in a message.",
    section: "2026-07-28 basic",
    break: {
      file: "src/mcp/lossless.ts",
      from: 'if (typeof members[key] === "object") members[key] = restored(members[key], numbers);',
      to: "",
      test: "test/mcp/lossless.test.ts",
    },
  },
  {
    id: "messages.linear",
    behaviour: "One long number makes a message no slower to read than its size does.",
    section: "Bounds: what a message may cost",
    break: {
      file: "src/mcp/lossless.ts",
      from: "return restored(JSON.parse(pieces.join(",
      to: "return restored(JSON.parse(JSON.stringify(JSON.parse(text, (_, value) => value)) && pieces.join(",
      test: "test/mcp/lossless.test.ts",
    },
  },
  {
    id: "messages.depth",
    behaviour: "An upstream's message that nests too deep to be written again is refused where it is read.",
    section: "Bounds: what a message may cost",
    break: {
      file: "src/mcp/lossless.ts",
      from: "if (++depth > DEEPEST)",
      to: "if (++depth > Infinity)",
      test: "test/gateway/deep-answers.test.ts",
    },
  },
  {
    id: "messages.whole",
    behaviour: "An answer that came whole is complete, whatever its upstream's connection does afterwards.",
    section: "2026-07-28 basic/transports/streamable-http",
    break: {
      file: "src/gateway/exchange/relay.ts",
      from: "if (this.isAnswered()) return void this.end();",
      to: "",
      test: "test/gateway/whole-answers.test.ts",
    },
  },
  {
    id: "messages.words",
    behaviour: "What a server says of its failure is recorded in its own characters.",
    section: "2026-07-28 basic#responses",
    break: {
      file: "src/gateway/exchange/outcome.ts",
      from: "const text = bytes.toString();",
      to: 'const text = bytes.toString("latin1");',
      test: "test/gateway/whole-answers.test.ts",
    },
  },
];
