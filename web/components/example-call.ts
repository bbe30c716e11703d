import { shellWord } from "../../src/lib/shell.ts";
import type { Capability } from "../api/types.ts";
import { exampleOf } from "../schema.ts";

/** A command that calls a server: its tool that needs the fewest arguments; before any is known, the one that lists them. */
export function exampleCall(server: string, capabilities: readonly Capability[]): string {
  const tools = capabilities
    .filter(({ kind }) => kind === "tool")
    .map(({ name, definition }) => ({ name, given: JSON.stringify(exampleOf(definition["inputSchema"])) }))
    .toSorted((a, b) => a.given.length - b.given.length);
  const [easiest] = tools;
  if (easiest === undefined) return `./offing tools ${server}`;
  const { name, given } = easiest;
  return `./offing call ${server} ${shellWord(name)}${given === "{}" ? "" : ` ${shellWord(given)}`}`;
}
