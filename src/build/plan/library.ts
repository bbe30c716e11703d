import { serverBehind } from "./detect.ts";
import { closureOf, mcpLibraries } from "./imports.ts";
import { leadingTo } from "./pyproject.ts";
import { joined, noRequirements, requirementName } from "./requirements.ts";
import { type Found, requirementsOf } from "./sources.ts";
import type { Survey } from "./survey.ts";

const LIBRARIES = ["fastmcp", "fastmcp-slim", "mcp"];

/** Says which library serves, and where nobody names one adds it. */
export async function nameLibrary(
  files: Survey,
  entrypoint: string,
  found: Found,
): Promise<{ extras: readonly string[]; groups: readonly string[] }> {
  const none = { extras: [], groups: [] };
  const names = new Set(requirementsOf(found).map(requirementName));
  const has = LIBRARIES.find((name) => names.has(name));
  if (has !== undefined) {
    found.reasons.push(`the project names ${has} itself, so nothing is added`);
    return none;
  }
  if ("pyproject" in found.source) {
    const { pyproject } = found.source;
    if (pyproject.dynamicDependencies && pyproject.main.size === 0) {
      found.reasons.push("what the project needs is told by its build back-end, so nothing is added");
      return none;
    }
    const leads = leadingTo(pyproject, LIBRARIES);
    for (const [kind, sets] of [
      ["extra", pyproject.extras],
      ["group", pyproject.groups],
    ] as const) {
      const naming = [...sets].filter(([, lines]) => leads(lines));
      const [name] = naming.find(([one]) => /mcp|server/.test(one)) ?? naming[0] ?? [];
      if (name === undefined) continue;
      found.reasons.push(
        `${pyproject.file} names a server library only in its ${kind} "${name}", so that ${kind} is installed too`,
      );
      return kind === "extra" ? { extras: [name], groups: [] } : { extras: [], groups: [name] };
    }
  }
  const { foreign } = await closureOf(files, entrypoint);
  const imports = new Set(mcpLibraries(foreign));
  if (imports.size > 0 && !imports.has("fastmcp") && !imports.has("mcp")) {
    found.reasons.push(
      `nothing is added: the code serves by ${[...imports].join(" and ")}, which brings what it needs`,
    );
    return none;
  }
  if (imports.size === 0 && (await serverBehind(files, entrypoint)) !== null) {
    found.reasons.push("the code speaks MCP without a library, so none is added");
    return none;
  }
  const library = !imports.has("fastmcp") && imports.has("mcp") ? "mcp" : "fastmcp";
  found.added = joined(found.added, { ...noRequirements(), plain: [library] });
  found.reasons.push(
    `${library} is added, because the project names neither fastmcp nor mcp${imports.has(library) ? ` and the code imports ${library}` : ""}`,
  );
  return none;
}
