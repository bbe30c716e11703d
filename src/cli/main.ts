import { parseArgs } from "node:util";
import { ConfigError } from "../config.ts";
import { OffingError } from "../contract/errors.ts";
import type { Command } from "./command.ts";
import { commands } from "./commands.ts";
import { openContext, UsageError } from "./context.ts";
import { printJson, red, say, visible } from "./output.ts";

/** Exit codes: public. */
const DONE = 0;
const FAILED = 1;
const USAGE = 2;
const SIGN_IN = 4;

/** Runs one command line to its exit code. */
export async function runCli(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  // Who reads us may have read enough: `offing logs SERVER -f | head -1`.
  process.stdout.on("error", (error: NodeJS.ErrnoException) =>
    process.exit(error.code === "EPIPE" ? DONE : FAILED),
  );
  const found = find(argv);
  const wantsHelp = argv.length === 0 || argv[0] === "help" || argv.includes("--help") || argv.includes("-h");
  if (found === undefined || wantsHelp) {
    if (wantsHelp) process.stdout.write(found ? usageOf(found.command) : help());
    else unknown(argv);
    return wantsHelp ? DONE : USAGE;
  }
  const { command, rest } = found;
  let json = rest.includes("--json");
  try {
    const { values, positionals } = parse(command, rest);
    json = values["json"] === true;
    return await command.run({ cli: openContext(json, env), args: positionals, flags: values });
  } catch (error) {
    return report(error, command, json);
  }
}

function find(argv: readonly string[]): { command: Command; rest: string[] } | undefined {
  for (const words of [2, 1]) {
    const command = commands.find(({ name }) => name === argv.slice(0, words).join(" "));
    if (command) return { command, rest: argv.slice(command.name.split(" ").length) };
  }
  return undefined;
}

function unknown(argv: readonly string[]): void {
  const words = argv.filter((word) => !word.startsWith("-")).slice(0, 2);
  const below = commands.filter(({ name }) => name.startsWith(`${words[0]} `)).map(({ name }) => name);
  const detail =
    below.length > 0
      ? `"${words.join(" ")}" is no command; there is ${below.join(", ")}`
      : `there is no command "${argv[0]}"; ./offing help lists them`;
  say(`offing: ${visible(detail)}`);
  if (argv.includes("--json")) printJson({ error: { code: "usage", detail } });
}

function parse(command: Command, rest: string[]) {
  let parsed;
  try {
    parsed = parseArgs({
      args: rest,
      allowPositionals: true,
      strict: true,
      options: { json: { type: "boolean" }, ...command.flags },
    });
  } catch (error) {
    throw new UsageError((error as Error).message.split(". To specify")[0]!);
  }
  const [min, max] = command.args;
  const count = parsed.positionals.length;
  if (count < min || count > max)
    throw new UsageError(
      count < min ? "an argument is missing" : `"${parsed.positionals[max]}" is one argument too many`,
    );
  return {
    values: parsed.values as Record<string, string | boolean | undefined>,
    positionals: parsed.positionals,
  };
}

/** Tells an error on stderr (and as the JSON value, where that is wanted) and picks the exit code. */
function report(error: unknown, command: Command, json: boolean): number {
  if (error instanceof UsageError) {
    say(`offing ${command.name}: ${error.message}\n${usageOf(command).trimEnd()}`);
    if (json) printJson({ error: { code: "usage", detail: error.message } });
    return USAGE;
  }
  const known = error instanceof OffingError || error instanceof ConfigError;
  const detail = visible(error instanceof Error ? error.message : String(error));
  const hint = error instanceof OffingError ? error.hint : undefined;
  const code = error instanceof OffingError ? error.code : known ? "invalid" : "internal";
  say(`${red("offing:")} ${detail}${hint ? `\n  ${hint}` : ""}`);
  if (json) printJson({ error: { code, detail, ...(hint ? { hint } : {}) } });
  return code === "unauthenticated" ? SIGN_IN : FAILED;
}

function usageOf(command: Command): string {
  const flags = Object.entries(command.flags).map(([name, flag]) =>
    flag.short ? `[-${flag.short}]` : `[--${name}${flag.type === "string" ? " …" : ""}]`,
  );
  return `usage: ./offing ${[command.name, command.usage, ...flags, "[--json]"].filter(Boolean).join(" ")}\n  ${command.summary}\n`;
}

function help(): string {
  const rows = [
    { name: "up", usage: "", summary: "Start the program" },
    ...commands,
    { name: "doctor", usage: "", summary: "What this machine has and lacks, and how to get it" },
    { name: "test", usage: "", summary: "Run every test" },
  ].map(({ name, usage, summary }) => [`  ${name} ${usage}`.trimEnd(), summary] as const);
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return `Offing: Git repositories of Python MCP servers as governed endpoints.\n\n${rows
    .map(([left, right]) => left.padEnd(width) + right)
    .join("\n")}\n\nSERVER is SLUG or ORG/SLUG. Every command takes --json and --help.\n`;
}
