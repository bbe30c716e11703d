import type { Manifest } from "../mcp/manifest.ts";
import { type Artifact, BuildError } from "./build.ts";
import type { InspectRequest, Inspector } from "./ports.ts";
import type { StepContext } from "./services.ts";

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
  request: InspectRequest,
  { say, warn }: Pick<StepContext, "say" | "warn">,
): Promise<Manifest> {
  try {
    const { manifest, description, problems } = await inspector.inspect(artifact, request);
    if (description !== null) say(description);
    say(offered(manifest));
    for (const problem of problems) warn(problem);
    if (manifest.items.length === 0 && problems.length === 0) warn(nothingOffered(artifact.entrypoint));
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
        missing: error.missing,
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

function offered({ items }: Manifest): string {
  const count = (word: string, ...kinds: readonly string[]): string => {
    const number = items.filter(({ kind }) => kinds.includes(kind)).length;
    return `${number} ${word}${number === 1 ? "" : "s"}`;
  };
  return `${count("tool", "tool")}, ${count("prompt", "prompt")}, ${count("resource", "resource", "resource_template")}`;
}

function nothingOffered(entrypoint: string): string {
  return (
    `the server offers nothing: 0 tools, prompts and resources. What a function registers that only main() calls, ` +
    `or code below if __name__ == "__main__":, is not there after ${entrypoint} is imported; call that function at ` +
    "the top level of the file, or deploy with the entrypoint of a factory that registers everything and returns the server"
  );
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
