import { z } from "zod";
import { organizationRoles, serverRoles } from "../policy/permissions.ts";
import { isSlug } from "./slugs.ts";

const slugRule = "use 1 to 63 of a-z, 0-9 and single hyphens between them";
export const Slug = z.string().refine(isSlug, slugRule);
export const At = z.iso.datetime();

/** Lists take `limit` and `cursor`, and answer `items` and the next cursor, null at the end. */
export const Page = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(500).optional(),
});
export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

export const Principal = z.object({
  id: z.string(),
  kind: z.enum(["user", "service_account"]),
  name: z.string(),
});
export const ServerRole = z.enum(Object.keys(serverRoles) as [keyof typeof serverRoles]);
export const OrganizationRole = z.enum(organizationRoles);

export const Me = z.object({
  principal: Principal,
  organization: z.object({ id: z.string(), slug: z.string(), name: z.string(), role: OrganizationRole }),
});

export const BuildStatus = z.enum(["queued", "building", "succeeded", "failed", "canceled"]);

export const Deployment = z.object({
  slug: z.string(),
  scope: z.enum(["production", "preview"]),
  branch: z.string().nullable(),
  endpoint: z.string(),
  artifact: z.string(),
  build: z.string(),
  updatedAt: At,
});

/** In which era of the protocol the upstream is spoken to; `auto`: in the client's own, where that can be. */
export const UpstreamEra = z.enum(["auto", "handshake", "stateless"]);
/** What an owner fixes of a server; what is left out stays as it is. */
export const ServerSettings = z.object({
  upstreamEra: UpstreamEra.optional(),
  virtualSessions: z.boolean().optional(),
});

export const Server = z.object({
  id: z.string(),
  organization: z.string(),
  slug: z.string(),
  kind: z.enum(["hosted", "external", "remix"]),
  description: z.string(),
  owner: z.string(),
  /** The live endpoint's URL, also before anything is live. */
  endpoint: z.string(),
  defaultBranch: z.string().nullable(),
  upstreamEra: UpstreamEra,
  virtualSessions: z.boolean(),
  status: z.enum(["live", "building", "failed", "empty"]),
  deployments: z.array(Deployment),
  /** Of a server that runs elsewhere: whether it answered when it was last asked, and when it last said what it offers. */
  external: z
    .object({
      /** Null for who may not edit the server. */
      url: z.string().nullable(),
      reachable: z.boolean(),
      problem: z.string().nullable(),
      checkedAt: At,
      refreshedAt: At,
    })
    .nullable(),
  lastBuild: z
    .object({
      id: z.string(),
      status: BuildStatus,
      createdAt: At,
      // From here on what needs the permission `logs`: null, or none, for who does not have it.
      commit: z.string().nullable(),
      subject: z.string().nullable(),
      /** Where and why it failed. */
      error: z.object({ step: z.string(), message: z.string() }).nullable(),
      warnings: z.array(z.string()),
    })
    .nullable(),
  createdAt: At,
});

/** A server that runs elsewhere, by the URL of its MCP endpoint. */
export const RegisterServer = z.object({
  url: z.string().min(1).max(2000),
  /** Made of the URL where absent. Of an external server that is there: it gets this URL and is read anew. */
  server: Slug.optional(),
  credential: z.enum(["none"]).default("none"),
  /** Lets connections of the organization reach exactly this host and port, though its address is private. */
  allowPrivate: z.boolean().default(false),
});
export const Registered = z.object({ server: z.string(), endpoint: z.string(), capabilities: z.number() });

export const BuildStep = z.object({
  step: z.string(),
  status: z.enum(["running", "succeeded", "failed"]),
  reused: z.boolean(),
  startedAt: At,
  durationMs: z.number().nullable(),
});

export const BuildFailure = z.object({
  step: z.string(),
  code: z.string(),
  message: z.string(),
  traceback: z.string().nullable(),
  hint: z.string().nullable(),
  /** Environment variables that the code needs and does not have. */
  missing: z.array(z.string()).default([]),
});

export const Build = z.object({
  id: z.string(),
  server: z.string(),
  status: BuildStatus,
  source: z.string(),
  ref: z.string().nullable(),
  commit: z.string().nullable(),
  subject: z.string().nullable(),
  /** `path.py:object`, as found once the build has succeeded; before that, as it was asked for. */
  entrypoint: z.string().nullable(),
  /** The file that says what the code needs, where it was named; null: found by the order of the plan. */
  dependencyFile: z.string().nullable(),
  artifact: z.string().nullable(),
  /** The deployment that this build was selected for, with its URL; null while nothing was. */
  deployment: z.object({ slug: z.string(), endpoint: z.string() }).nullable(),
  error: BuildFailure.nullable(),
  /** What works, but not as its author will have meant it. */
  warnings: z.array(z.string()).default([]),
  steps: z.array(BuildStep),
  capabilities: z.number().nullable(),
  requestedBy: z.string(),
  createdAt: At,
  durationMs: z.number().nullable(),
});

export const BuildEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("line"),
    at: At,
    step: z.string(),
    stream: z.enum(["info", "out", "err"]),
    text: z.string(),
  }),
  z.object({ type: z.literal("build"), build: Build }),
]);

export const StartBuild = z.object({
  server: Slug,
  source: z.discriminatedUnion("kind", [
    z.object({
      kind: z.literal("git"),
      url: z.string().min(1).max(2000),
      ref: z.string().min(1).max(300).optional(),
    }),
    z.object({
      kind: z.literal("upload"),
      upload: z.string(),
      commit: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/),
      ref: z.string().max(300).optional(),
      name: z.string().max(300),
    }),
  ]),
  entrypoint: z.string().min(1).max(500).optional(),
  /** Relative to the repository: a requirements file, a pyproject.toml, a lock, a fastmcp.json, a Python file with a header. */
  dependencyFile: z.string().min(1).max(500).optional(),
  allowPrivate: z.boolean().default(false),
});

/** What is known of a variable; its value is never shown. */
export const Variable = z.object({
  name: z.string(),
  scope: z.enum(["production", "preview"]),
  updatedAt: At,
  updatedBy: z.object({ id: z.string(), name: z.string() }),
});
/** A server's variables after a change, and what makes the change effective. */
export const VariableChange = z.object({
  items: z.array(Variable),
  changed: z.array(z.string()),
  next: z.string(),
});

export const Capability = z.object({
  kind: z.enum(["tool", "prompt", "resource", "resource_template"]),
  name: z.string(),
  description: z.string().nullable(),
  hash: z.string(),
  definition: z.record(z.string(), z.unknown()),
});

export const Key = z.object({
  id: z.string(),
  prefix: z.string(),
  label: z.string(),
  principal: Principal,
  createdAt: At,
  revokedAt: At.nullable(),
});

export const ServerLine = z.object({
  id: z.string(),
  at: At,
  artifact: z.string(),
  scope: z.string(),
  instance: z.string(),
  stream: z.enum(["stdout", "stderr", "system"]),
  text: z.string(),
  request: z.string().nullable(),
});

export const Request = z.object({
  id: z.string(),
  at: At,
  deployment: z.string().nullable(),
  artifact: z.string().nullable(),
  era: z.string().nullable(),
  protocolVersion: z.string().nullable(),
  httpMethod: z.string(),
  method: z.string().nullable(),
  capability: z.object({ kind: z.string(), name: z.string() }).nullable(),
  principal: z.string().nullable(),
  client: z.object({ name: z.string(), version: z.string().nullable() }).nullable(),
  session: z.string().nullable(),
  decision: z.string().nullable(),
  boundary: z.string().nullable(),
  error: z.string().nullable(),
  isError: z.boolean(),
  outcome: z.string(),
  httpStatus: z.number(),
  jsonrpcCode: z.number().nullable(),
  requestBytes: z.number(),
  responseBytes: z.number(),
  streamEvents: z.number(),
  instance: z.string().nullable(),
  trace: z.string().nullable(),
  ms: z.object({
    auth: z.number(),
    policy: z.number(),
    cold: z.number(),
    upstream: z.number(),
    total: z.number(),
  }),
});

export const Session = z.object({
  id: z.string(),
  /** Real on the wire, or kept for a client whose protocol has none. */
  kind: z.enum(["handshake", "virtual"]),
  deployment: z.string(),
  principal: z.object({ id: z.string(), name: z.string() }),
  client: z.object({ name: z.string(), version: z.string().nullable() }).nullable(),
  revision: z.string(),
  state: z.enum(["open", "ended", "expired"]),
  startedAt: At,
  lastSeenAt: At,
  expiresAt: At,
  endedAt: At.nullable(),
});

export const Grant = z.object({ principal: Principal, role: ServerRole });
export const ServiceAccount = z.object({
  id: z.string(),
  slug: z.string(),
  role: z.enum(["admin", "member"]),
  createdAt: At,
});

export const AuditReport = z.object({
  organization: z.string(),
  rows: z.number(),
  checkpoints: z.number(),
  intact: z.boolean(),
  /** What is wrong, naming the row or the checkpoint. */
  problem: z.string().nullable(),
});
