import { basename, posix } from "node:path";
import { shellWord } from "../../lib/shell.ts";
import { BuildError } from "../build.ts";
import type { Candidate } from "./detect.ts";

const MOST = 12;

/** Several servers in one repository, each with the command that deploys it. */
export function severalServers(candidates: readonly Candidate[], source: string): BuildError {
  const shown = candidates.slice(0, MOST);
  const names = slugs(shown);
  const commands = shown.map(
    ({ path }, i) =>
      `./offing deploy ${shellWord(source)} --server ${names[i]} --entrypoint ${shellWord(path)}`,
  );
  const rest = candidates.length > MOST ? ` and ${candidates.length - MOST} more` : "";
  return new BuildError(
    "plan",
    "entrypoint_ambiguous",
    `This repository has ${candidates.length} servers: ${shown.map(({ path }) => path).join(", ")}${rest}.`,
    { hint: `Deploy the one you mean, or each as a server of its own:\n${commands.join("\n")}` },
  );
}

/** A name for each, from its script, its file or the folder it lies in; all different. */
function slugs(candidates: readonly Candidate[]): string[] {
  const taken = new Set<string>();
  return candidates.map(({ path, script }) => {
    const file = basename(path, ".py");
    const folders = posix
      .dirname(path)
      .split("/")
      .filter((part) => part !== "." && part !== "src");
    const common = /^(?:main|server|app|run|mcp_server|__main__|__init__)$/.test(file);
    const words = script ?? (common ? (folders.at(-1) ?? file) : file);
    const slug =
      words
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-")
        .replace(/^-|-$/g, "")
        .slice(0, 50) || "server";
    let name = slug;
    for (let i = 2; taken.has(name); i++) name = `${slug}-${i}`;
    taken.add(name);
    return name;
  });
}
