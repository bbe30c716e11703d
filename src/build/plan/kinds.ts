import { lineAt } from "./code.ts";
import { importsOf, speaksMcp } from "./imports.ts";

/** What a file seems to make. Only loading it tells; this chooses the file and the words. */
export interface Made {
  /** `a FastMCP server`, after "takes it for". */
  readonly what: string;
  /** `constructs FastMCP(...) on line 7`, after the file's name. */
  readonly why: string;
}

const CONSTRUCTS =
  /(?<![\w.])(?:\w{1,100}\.){0,5}(FastMCP|MCPServer|Server|stdio_server)\s{0,20}(?:\[[^\]\n]{0,200}\]\s{0,20})?(?:\.\w{1,60}\s{0,20})?\(/g;
const DERIVES = /^[ \t]*class[ \t]+\w{1,200}[ \t]*\([ \t]*(?:\w{1,100}\.){0,5}(FastMCP|MCPServer|Server)\b/gm;

/** What server a file's code (as `codeOf` gives it) makes, or null. `text` is the file as it is. */
export function serverMadeIn(code: string, text: string): Made | null {
  const imports = importsOf(code);
  const from = (pattern: RegExp): boolean =>
    imports.some(
      (one) => pattern.test(one.module) || one.names.some((name) => pattern.test(`${one.module}.${name}`)),
    );
  const sdk = from(/^mcp(?:\.|$)/);
  const named = speaksMcp(imports);
  let low: Made | null = null;
  // A class of the project's own may have the same name.
  for (const pattern of named ? [CONSTRUCTS, DERIVES] : []) {
    for (const match of code.matchAll(pattern)) {
      const name = match[1] ?? "";
      const made = (what: string): Made => {
        const line = lineAt(code, match.index + match[0].indexOf(name));
        const does = pattern === DERIVES ? `derives a class from ${name}` : `constructs ${name}(...)`;
        return { what, why: `${name === "stdio_server" ? "calls stdio_server(...)" : does} on line ${line}` };
      };
      if (name === "FastMCP")
        return made(
          from(/^mcp\.server\.fastmcp/) ? "a FastMCP server of the MCP SDK 1.x" : "a FastMCP server",
        );
      if (name === "MCPServer") return made("an MCPServer of the MCP SDK");
      if (!sdk || low !== null) continue;
      low = made(name === "Server" ? "a low-level Server of the MCP SDK" : "a stdio program of the MCP SDK");
    }
  }
  if (low !== null) return low;
  // Without a library, the protocol's own words are in its strings.
  const spoken = text.indexOf("tools/list");
  if (spoken >= 0 && /["']jsonrpc["']/.test(text) && /\bstdin\b/.test(code)) {
    return {
      what: "a stdio program of its own",
      why: `answers tools/list on line ${lineAt(text, spoken)} and reads stdin`,
    };
  }
  return null;
}

/** Whether a file looks as if it were started: it guards on `__name__`, or runs something. */
export function looksStarted(code: string): boolean {
  return /^if[ \t]+__name__[ \t]*==/m.test(code) || /^[ \t]*(?:\w{1,100}\.)?run\(/m.test(code);
}
