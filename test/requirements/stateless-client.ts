import type { Requirement } from "./requirement.ts";

const transport = "2026-07-28 basic/transports/streamable-http";
const mrtr = "2026-07-28 basic/patterns/mrtr#server-requirements-basic-workflow";

/** What a client of the stateless revision can rely on. */
export const statelessClient: readonly Requirement[] = [
  {
    id: "stateless-client.parameters-agree",
    behaviour: "Mcp-Param headers that repeat the arguments are accepted, decoded from Base64 where encoded.",
    section: `${transport}#value-encoding`,
    break: {
      file: "src/mcp/envelope.ts",
      from: "  return bytes.toString();",
      to: '  return bytes.toString("latin1");',
      test: "test/gateway/mirrored-headers.test.ts",
    },
  },
  {
    id: "stateless-client.parameters-differ",
    behaviour: "Mcp-Param headers that are missing or differ from the arguments are refused with -32020.",
    section: `${transport}#server-behavior-for-custom-headers`,
    break: {
      file: "src/mcp/parameters.ts",
      from: 'if (typeof given !== "string") return mismatch(mirrored, "is missing; it must repeat the argument");',
      to: 'if (typeof given !== "string") continue;',
      test: "test/gateway/mirrored-headers.test.ts",
    },
  },
  {
    id: "stateless-client.parameters-invalid",
    behaviour: "A tool whose x-mcp-header annotations are invalid asks for no headers.",
    section: `${transport}#schema-extension`,
    break: {
      file: "src/mcp/parameters.ts",
      from: 'if (type !== "string" && type !== "integer" && type !== "boolean") return false;',
      to: "",
      test: "test/gateway/mirrored-headers.test.ts",
    },
  },
  {
    id: "stateless-client.state-sealed",
    behaviour:
      "The upstream's requestState reaches the client sealed, and comes back as the upstream gave it.",
    section: mrtr,
    break: {
      file: "src/gateway/cells/stateless.ts",
      from: "requestState: sealState(this.#services, turn, request, state)",
      to: "requestState: state.state",
      test: "test/gateway/request-state.test.ts",
    },
  },
  {
    id: "stateless-client.state-bound",
    behaviour:
      "A state is refused when it was tampered with, or is of another principal, endpoint or request.",
    section: mrtr,
    break: {
      file: "src/gateway/request-state.ts",
      from: "if (claims[name] !== value)",
      to: "if (false && claims[name] !== value)",
      test: "test/gateway/request-state.test.ts",
    },
  },
  {
    id: "stateless-client.state-expires",
    behaviour: "A state is refused an hour after it was given.",
    section: mrtr,
    break: {
      file: "src/gateway/request-state.ts",
      from: 'claims["expires"] <= services.clock.now()',
      to: 'claims["expires"] <= 0',
      test: "test/gateway/request-state.test.ts",
    },
  },
];
