import type { Manifest } from "../mcp/manifest.ts";
import { type Artifact, BuildError, type BuildRequest } from "./build.ts";
import type { Inspector } from "./ports.ts";

/** What an instance that did not come up tells, whoever ran it. */
interface StartFailure extends Error {
  readonly traceback: string | null;
  readonly hint: string | null;
  readonly output: readonly string[];
}

/** Starts the artifact and discovers it. Throws BuildError of step `inspect`. */
export async function inspect(
  inspector: Inspector,
  artifact: Artifact,
  request: BuildRequest,
  say: (line: string) => void,
): Promise<Manifest> {
  try {
    const manifest = await inspector.inspect(artifact, request);
    const count = (kind: string): number => manifest.items.filter((item) => item.kind === kind).length;
    say(
      `${count("tool")} tools, ${count("prompt")} prompts, ${count("resource") + count("resource_template")} resources`,
    );
    return manifest;
  } catch (error) {
    request.signal.throwIfAborted();
    if (error instanceof BuildError || !(error instanceof Error)) throw error;
    const failure: Partial<StartFailure> & Error = error;
    for (const line of failure.output ?? []) say(line);
    const traceback = failure.traceback ?? null;
    throw new BuildError("inspect", codeOf(`${error.message}\n${traceback ?? ""}`), error.message, {
      traceback,
      hint:
        failure.hint ?? "Run the server on your machine with the same files, and look at the lines above.",
      cause: error,
    });
  }
}

function codeOf(text: string): string {
  if (/No module named|ModuleNotFoundError/.test(text)) return "module_missing";
  if (/SyntaxError|IndentationError/.test(text)) return "syntax_error";
  if (/no server object|server object|no MCP server|not found in/i.test(text)) return "server_object_missing";
  if (/Traceback|Error:|Error\b.*import/.test(text)) return "import_failed";
  if (/in time|timed? ?out/i.test(text)) return "start_timeout";
  if (/memory/i.test(text)) return "out_of_memory";
  return "start_failed";
}
