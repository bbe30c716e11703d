import type { Requirement } from "./requirement.ts";

const discovery = "2026-07-28 basic/versioning#dual-era-support";
const rounds = "2026-07-28 basic/patterns/mrtr#server-requirements-basic-workflow";

const settings = "test/system/server-settings.test.ts";
const eras = "test/system/eras.test.ts";
const refusals = "test/domain/era-refusals.test.ts";

/** In which era a server that speaks both is spoken to, and what its owner fixes of it. */
export const upstreamEras: readonly Requirement[] = [
  {
    id: "sessions.server-settings",
    behaviour:
      "An admin sets a server's upstream era and virtual sessions, each by itself, and everyone sees them.",
    section: "product: servers set",
    break: {
      file: "src/domain/servers/set.ts",
      from: "const { upstreamEra = server.upstreamEra, virtualSessions = server.virtualSessions } = input;",
      to: 'const { upstreamEra = "auto", virtualSessions = false } = input;',
      test: settings,
    },
  },
  {
    id: "sessions.upstream-era",
    behaviour: "The owner's era is the one in which the upstream is spoken to, from the next call on.",
    section: `product: servers set; ${discovery}`,
    break: {
      file: "src/domain/servers/eras.ts",
      from: 'return wanted === "auto" ? answered : answered.filter((era) => era === wanted);',
      to: "return answered;",
      test: settings,
    },
  },
  {
    id: "sessions.upstream-era-refused",
    behaviour: "An era in which nothing that serves answers is refused in words.",
    section: "product: servers set",
    break: {
      file: "src/domain/servers/set.ts",
      from: "if (spokenEras(eras, wanted).length > 0) continue;",
      to: "if (eras.length > 0) continue;",
      test: settings,
    },
  },
  {
    id: "eras.inspected",
    behaviour:
      "An instance tells which capabilities need one of the two eras, from their compiled code alone.",
    section: rounds,
    break: {
      file: "src/runner/python/offing_runtime/entry/eras.py",
      from: "            waiting += _called(one, names)",
      to: "            pass",
      test: "test/runner/eras.test.ts",
    },
  },
  {
    id: "eras.by-inspection",
    behaviour: "A server that speaks both eras is spoken to in the one that the capability needs.",
    section: discovery,
    break: {
      file: "src/domain/builds/inspect.ts",
      from: "return era === undefined ? item : { ...item, era };",
      to: "return item;",
      test: eras,
    },
  },
  {
    id: "eras.one-state",
    behaviour: "A handshake client's session has one state, in whichever era its capabilities are spoken to.",
    section: "product: eras",
    break: {
      file: "src/gateway/cells/handshake-on-stateless.ts",
      from: 'session: endpoint.upstream.kind === "hosted" ? session.upstreamId : undefined,',
      to: "session: undefined,",
      test: eras,
    },
  },
  {
    id: "eras.learned",
    behaviour:
      "A refusal that names the other era decides for the next call; the refused one is not sent again.",
    section: rounds,
    break: {
      file: "src/gateway/era.ts",
      from: 'if (!(era === "stateless" ? asksClient(response) : hasInputRequired(response))) return;',
      to: "if (era !== undefined) return;",
      test: eras,
    },
  },
  {
    id: "eras.learned-durably",
    behaviour: "What a refusal has taught is known after a restart.",
    section: "product: eras",
    break: {
      file: "src/domain/servers/keep-refusal.ts",
      from: "keepRefusal(ctx, refusal).catch((error: unknown) => {",
      to: "Promise.resolve().catch((error: unknown) => {",
      test: eras,
    },
  },
  {
    id: "eras.learned-at-once",
    behaviour: "A refusal decides in the process that met it before it is stored.",
    section: "product: eras",
    break: {
      file: "src/snapshot/state.ts",
      from: "endpoints.set(address, after);",
      to: "void after;",
      test: refusals,
    },
  },
  {
    id: "eras.learned-both",
    behaviour:
      "A capability that was refused in both eras, in whatever order, is called in the client's own; in one, in the other.",
    section: "product: eras",
    break: {
      file: "src/gateway/era.ts",
      from: "if (refused.length > 1) return undefined;",
      to: "",
      test: refusals,
    },
  },
  {
    id: "eras.learned-of-code",
    behaviour: "A new artifact starts fresh, and a rollback meets what the old one has taught.",
    section: "product: eras",
    break: {
      file: "src/snapshot/era-refusals.ts",
      from: 'return upstream.kind === "hosted" ? upstream.target.artifact : id;',
      to: "return id;",
      test: refusals,
    },
  },
  {
    id: "eras.learned-bounded",
    behaviour: "Of the refusals of one server the newest are kept, up to a bound.",
    section: "product: eras",
    break: {
      file: "src/domain/servers/keep-refusal.ts",
      from: '.where("seq", "<=", ofServer)',
      to: '.where("seq", "<", "0")',
      test: refusals,
    },
  },
  {
    id: "eras.learned-expires",
    behaviour:
      "What a server that runs elsewhere has refused is believed as long as what was found of its eras, then met anew.",
    section: "product: eras",
    break: {
      file: "src/domain/servers/refresh.ts",
      from: "await forgetRefusals(ctx, { organization, server }, VERDICT_MS);",
      to: "void forgetRefusals;",
      test: "test/domain/external-refusals.test.ts",
    },
  },
  {
    id: "eras.not-by-quotation",
    behaviour: "What a tool only quotes of such a refusal decides nothing.",
    section: "product: eras",
    break: {
      file: "src/gateway/era.ts",
      from: "/^(Error calling tool",
      to: "/(Error calling tool",
      test: eras,
    },
  },
  {
    id: "eras.owner-decides",
    behaviour: "The owner's choice of an era stands above what is known of a capability.",
    section: "product: servers set",
    break: {
      file: "src/gateway/era.ts",
      from: "if (eras.includes(wanted)) return wanted;",
      to: "if (endpoint.manifest.eras.includes(wanted)) return wanted;",
      test: eras,
    },
  },
];
