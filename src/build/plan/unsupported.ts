import { basename } from "node:path";
import { BuildError } from "../build.ts";
import { importsOf } from "./imports.ts";
import type { Survey } from "./survey.ts";

/** What is deployed here, for whoever brought something else. */
const DEPLOYS =
  "Offing deploys MCP servers written in Python: FastMCP, the MCP SDK's MCPServer, FastMCP and low-level Server, and stdio programs.";
const NAMED = "Name the file that makes the server: --entrypoint path/to/file.py[:name].";

interface Language {
  readonly name: string;
  readonly manifest: RegExp;
  readonly source: RegExp;
  /** The MCP library of that language, as its manifest names it. */
  readonly sdk: RegExp;
}

const LANGUAGES: readonly Language[] = [
  {
    name: "TypeScript or JavaScript",
    manifest: /^(?:package|deno)\.jsonc?$/,
    source: /\.[cm]?[jt]sx?$/,
    sdk: /@modelcontextprotocol\/|"fastmcp"|mcp-framework/,
  },
  {
    name: "Go",
    manifest: /^go\.mod$/,
    source: /\.go$/,
    sdk: /mcp-go|modelcontextprotocol\/go-sdk|mcp-golang/,
  },
  { name: "Rust", manifest: /^Cargo\.toml$/, source: /\.rs$/, sdk: /\brmcp\b|mcp/ },
  {
    name: "Java or Kotlin",
    manifest: /^(?:pom\.xml|build\.gradle(?:\.kts)?)$/,
    source: /\.(?:java|kt)$/,
    sdk: /mcp/,
  },
  { name: "C#", manifest: /\.(?:csproj|sln)$/, source: /\.cs$/, sdk: /ModelContextProtocol/ },
  { name: "Ruby", manifest: /^Gemfile$/, source: /\.rb$/, sdk: /mcp/ },
  { name: "PHP", manifest: /^composer\.json$/, source: /\.php$/, sdk: /mcp/ },
  { name: "Swift", manifest: /^Package\.swift$/, source: /\.swift$/, sdk: /mcp/i },
  { name: "Elixir", manifest: /^mix\.exs$/, source: /\.exs?$/, sdk: /mcp/i },
];

/**
 * What a checkout without a server is, as the error that ends its build:
 * `repository_empty`, `language_unsupported`, `notebooks_only`,
 * `library_without_server`, `client_without_server`, `entrypoint_missing`.
 */
export async function unsupported(files: Survey): Promise<BuildError> {
  const fail = (code: string, message: string, hint: string): BuildError =>
    new BuildError("plan", code, message, { hint });
  const code = files.files.filter((path) => path.endsWith(".py"));
  const notebooks = files.files.filter((path) => path.endsWith(".ipynb"));
  if (code.length === 0) {
    const other = await languageOf(files);
    if (other) {
      const what = other.mcp ? "an MCP server, but one" : "a program";
      return fail(
        "language_unsupported",
        `This looks like ${what} written in ${other.name} (${other.because}), and the repository has no Python.`,
        `${DEPLOYS} Run this one where it runs today.`,
      );
    }
    if (notebooks.length > 0) {
      return fail(
        "notebooks_only",
        `The repository's only Python is in notebooks (${notebooks.slice(0, 3).join(", ")}).`,
        "Put the server into a .py file, for example: jupyter nbconvert --to script, then commit it as server.py.",
      );
    }
    const shown = files.files.slice(0, 5).join(", ");
    return fail(
      "repository_empty",
      files.files.length === 0
        ? "The repository has no files."
        : `The repository has no program in it, only ${shown}${files.files.length > 5 ? ", …" : ""}.`,
      `${DEPLOYS} Push the code, or name the branch it is on with --ref.`,
    );
  }
  if (await isClient(files)) {
    return fail(
      "client_without_server",
      "This looks like an MCP client: it imports the client side of MCP and makes no server.",
      `${DEPLOYS} ${NAMED}`,
    );
  }
  const project = files.files.find((path) => /^(?:pyproject\.toml|setup\.py|setup\.cfg)$/.test(path));
  if (project !== undefined) {
    return fail(
      "library_without_server",
      `This looks like a Python project without an MCP server: ${project} is there, but no file of it constructs one.`,
      `${DEPLOYS} ${NAMED}`,
    );
  }
  return fail(
    "entrypoint_missing",
    `${files.has("main.py") ? "main.py has nothing to do with MCP" : "There is no main.py"}, and ${code.length === 1 ? "its only Python file makes no" : `none of the ${code.length} Python files makes a`} FastMCP, MCPServer or Server.`,
    `${DEPLOYS} ${NAMED}`,
  );
}

async function isClient(files: Survey): Promise<boolean> {
  for (const path of files.python.slice(0, 500)) {
    const imports = importsOf(await files.code(path));
    if (imports.some(({ module }) => /^(?:mcp|fastmcp)\.client\b/.test(module))) return true;
    if (imports.some((one) => one.module === "mcp" && one.names.includes("ClientSession"))) return true;
  }
  return false;
}

async function languageOf(
  files: Survey,
): Promise<{ name: string; because: string; mcp: boolean } | undefined> {
  for (const language of LANGUAGES) {
    const manifest = files.files.find((path) => language.manifest.test(basename(path)));
    if (manifest === undefined) continue;
    const text = await files.text(manifest);
    const sdk = language.sdk.exec(text)?.[0];
    return {
      name: language.name,
      because: sdk === undefined ? `by ${manifest}` : `${manifest} names ${sdk.replaceAll('"', "")}`,
      mcp: sdk !== undefined,
    };
  }
  let most: { name: string; because: string; mcp: boolean; count: number } | undefined;
  for (const { name, source } of LANGUAGES) {
    const found = files.files.filter((path) => source.test(path));
    if (found.length > (most?.count ?? 0))
      most = { name, because: `by ${found[0]}`, mcp: false, count: found.length };
  }
  return most;
}
