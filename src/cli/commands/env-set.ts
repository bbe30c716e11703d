import { readFileSync } from "node:fs";
import { buffer } from "node:stream/consumers";
import { type Command, text } from "../command.ts";
import { serverOf, UsageError } from "../context.ts";
import { readDotenv } from "../dotenv.ts";
import { hidden } from "../hidden.ts";
import { printJson, say } from "../output.ts";

/** What stands in our hints in the place of a value, and in documents of others. */
const PLACEHOLDER = /^(VALUE|…|\.\.\.|<[^<>]*>)$/;

/** `KEY=-` and lines of a file are as flyctl's `secrets set` and `secrets import` have them. */
export const envSet: Command = {
  name: "env set",
  usage: "SERVER [KEY=VALUE… | KEY=-]",
  summary:
    "Set variables for the next build; KEY=- asks for the value or reads it from stdin, --from-file - KEY=VALUE lines",
  args: [1, 300],
  flags: { "from-file": { type: "string" }, create: { type: "boolean" } },
  async run({ cli, args, flags }) {
    const at = await serverOf(cli, args[0]!);
    const variables = await readVariables(args.slice(1), text(flags, "from-file"));
    const done = await cli.client.call("setVariables", at, { variables, create: flags["create"] === true });
    if (cli.json) printJson(done);
    else {
      say(`Set ${done.changed.join(", ")} of ${at.server}. Values are kept sealed and not shown again.`);
      say(done.next);
    }
    return 0;
  },
};

async function readVariables(
  pairs: readonly string[],
  file: string | undefined,
): Promise<Record<string, string>> {
  const variables = Object.create(null) as Record<string, string>;
  if (file !== undefined) Object.assign(variables, readDotenv(await contentOf(file)));
  let stdin = file === "-";
  for (const [index, pair] of pairs.entries()) {
    const cut = pair.indexOf("=");
    // What has no = may be a secret itself: it is not repeated.
    if (cut < 1) throw new UsageError(`argument ${index + 2} is not KEY=VALUE`);
    const name = pair.slice(0, cut);
    const value = pair.slice(cut + 1);
    if (PLACEHOLDER.test(value)) {
      throw new UsageError(
        `${name}=${value} is a hint's placeholder: give the real value, or ${name}=- to be asked for it`,
      );
    }
    if (value !== "-") {
      variables[name] = value;
      continue;
    }
    if (process.stdin.isTTY && file !== "-") {
      variables[name] = await hidden(name);
      continue;
    }
    if (stdin) throw new UsageError("stdin can be read once");
    stdin = true;
    // As `$(…)` does: the newline at the end of a file or an echo is no part of a secret.
    variables[name] = (await contentOf("-")).replace(/\r?\n$/, "");
  }
  if (Object.keys(variables).length === 0)
    throw new UsageError("name what to set: KEY=VALUE, KEY=- or --from-file FILE");
  return variables;
}

async function contentOf(file: string): Promise<string> {
  if (file === "-" && process.stdin.isTTY) say("Type or paste it, then Ctrl-D:");
  const bytes = file === "-" ? await buffer(process.stdin) : readFile(file);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UsageError(`${file === "-" ? "stdin" : file} is not UTF-8 text`);
  }
}

function readFile(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  }
}
