import type { Closure } from "./imports.ts";
import { requirementName } from "./requirements.ts";
import type { Survey } from "./survey.ts";

/** A limit that the code itself proves, where nobody limited the version. */
export interface Limit {
  /** `mcp<2`. */
  readonly constraint: string;
  readonly reason: string;
}

interface Removal {
  readonly name: string;
  readonly constraint: string;
  /** The first release without it. */
  readonly since: string;
  /** Modules, and names behind a dot, that are gone. */
  readonly imports: RegExp;
  /** Uses that are gone, in files that import `from`. */
  readonly uses?: { readonly pattern: RegExp; readonly from: RegExp };
}

/** Each was tried: it loads with the last release below the limit and fails with the first above. */
const REMOVALS: readonly Removal[] = [
  {
    name: "mcp",
    constraint: "mcp<2",
    since: "mcp 2",
    imports:
      /^mcp\.(?:McpError|server\.(?:fastmcp|FastMCP|websocket|experimental|lowlevel\.(?:experimental|func_inspection))|shared\.(?:session|version|progress|experimental|response_router))(?=\.|$)/,
    uses: {
      pattern:
        /^[ \t]*@(?:\w{1,80}\.){1,4}(?:list_tools|call_tool|list_prompts|get_prompt|list_resources|read_resource|list_resource_templates)\(/m,
      from: /^mcp\.server(?:\.lowlevel(?:\.server)?)?\.Server$/,
    },
  },
  {
    name: "fastmcp",
    constraint: "fastmcp<3",
    since: "fastmcp 3",
    imports: /^fastmcp\.(?:tools\.tool_manager|utilities\.mcp_config)(?=\.|$)/,
  },
  {
    name: "fastmcp",
    constraint: "fastmcp<4",
    since: "fastmcp 4",
    imports:
      /^fastmcp\.(?:tools\.tool|prompts\.prompt|resources\.resource|server\.(?:proxy|openapi|tasks|sampling)|experimental\.server)(?=\.|$)/,
    uses: { pattern: /\bFastMCP\.as_proxy\(/, from: /^fastmcp\.FastMCP$/ },
  },
];

/** The limits for a project whose requirements are these lines. */
export async function limitsOf(
  files: Survey,
  closure: Closure,
  requirements: readonly string[],
): Promise<Limit[]> {
  const imported = closure.foreign.flatMap(({ module, names }) => [
    module,
    ...names.map((name) => `${module}.${name}`),
  ]);
  const found: Limit[] = [...fastmcp2(requirements)];
  for (const removal of REMOVALS) {
    const { name, constraint, since, imports, uses } = removal;
    if (found.some((limit) => requirementName(limit.constraint) === name)) continue;
    const lines = requirements.filter((one) => requirementName(one) === name);
    if (lines.some(isLimited)) continue;
    const module = imported.map((one) => imports.exec(one)?.[0]).find((one) => one !== undefined);
    const use =
      uses && imported.some((one) => uses.from.test(one))
        ? await firstUse(files, closure, uses.pattern)
        : undefined;
    if (module === undefined && use === undefined) continue;
    const what = module === undefined ? `uses ${use}` : `imports ${module}`;
    found.push({
      constraint,
      reason: `the code ${what}, which ${since} no longer has, and the project leaves the version of ${name} open: it is held to ${constraint}`,
    });
  }
  return found;
}

/** FastMCP 2 is made on mcp 1; some of its releases left that open. */
function fastmcp2(requirements: readonly string[]): Limit[] {
  const named = requirements.find(
    (one) => requirementName(one) === "fastmcp" && /(?:===?|~=)\s*2\b|<\s*3\b/.test(one.replace(/;.*$/, "")),
  );
  return named === undefined || requirements.some((one) => requirementName(one) === "mcp" && isLimited(one))
    ? []
    : [
        {
          constraint: "mcp<2",
          reason: `the project asks for FastMCP 2 (${named}), which is made on mcp 1: mcp is held to mcp<2`,
        },
      ];
}

async function firstUse(files: Survey, closure: Closure, pattern: RegExp): Promise<string | undefined> {
  for (const path of closure.files) {
    const found = pattern.exec(await files.code(path))?.[0].trim();
    if (found !== undefined) return `${found}) in ${path}`;
  }
  return undefined;
}

/** Whether a requirement limits the version from above, or names exactly one. */
function isLimited(requirement: string): boolean {
  return /(?:===?|~=|<=?)\s*\d|@/.test(requirement.split(";", 1)[0] ?? "");
}
