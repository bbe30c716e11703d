import type { Manifest } from "../mcp/manifest.ts";
import { type Artifact, BuildError, type BuildRequest } from "./build.ts";
import type { Inspector } from "./ports.ts";

/** What an instance that did not come up tells, whoever ran it. */
interface StartFailure extends Error {
  readonly traceback: string | null;
  readonly hint: string | null;
  readonly output: readonly string[];
}

const ADVICE =
  "The code must import without a database, a network or arguments; do such work in a lifespan or a tool.";

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
    if (!(error instanceof Error)) throw error;
    const failure: Partial<StartFailure> & Error = error;
    const traceback = failure.traceback ?? null;
    const words = `${error.message}\n${traceback ?? ""}`;
    if (error instanceof BuildError) {
      // Whoever started it knows that the code did not load; why is in the traceback.
      if (error.code !== "start_load") throw error;
      throw new BuildError("inspect", codeOf(words), error.message, {
        traceback,
        hint: error.hint ?? ADVICE,
        cause: error,
      });
    }
    for (const line of failure.output ?? []) say(line);
    throw new BuildError("inspect", codeOf(words), error.message, {
      traceback,
      hint: failure.hint ?? ADVICE,
      cause: error,
    });
  }
}

function codeOf(text: string): string {
  if (/No module named|ModuleNotFoundError/.test(text)) return "module_missing";
  if (/SyntaxError|IndentationError/.test(text)) return "syntax_error";
  if (/server object|no server named|no object named/i.test(text)) return "server_object_missing";
  if (/Traceback|Error:|Error\b.*import/.test(text)) return "import_failed";
  if (/in time|timed? ?out/i.test(text)) return "start_timeout";
  if (/memory/i.test(text)) return "out_of_memory";
  return "start_failed";
}
