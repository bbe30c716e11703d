import { StartError } from "./runner.ts";

/** A shorter value is a word or a number that stands in many texts for other reasons. */
const SHORTEST = 8;

/**
 * A failure to start, with the last lines that the server printed. In its
 * words a variable's name stands in the place of its value: they are kept with
 * the build, and an exception often quotes what it was given.
 */
export function withoutValues(
  error: StartError,
  output: readonly string[],
  variables: Readonly<Record<string, string>>,
): StartError {
  const mask = maskOf(variables);
  return new StartError(error.reason, mask(error.message), {
    traceback: error.traceback === null ? null : mask(error.traceback),
    hint: error.hint === null ? null : mask(error.hint),
    output: output.map(mask),
    missing: error.missing,
    code: error.code,
  });
}

function maskOf(variables: Readonly<Record<string, string>>): (text: string) => string {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(variables)) {
    const parts = [value, JSON.stringify(value).slice(1, -1), ...value.split(/\r?\n/), ...passwordIn(value)];
    for (const part of parts) if (part.trim().length >= SHORTEST) found.set(part, `[${name}]`);
  }
  // The longest first: one value may be a part of another.
  const all = [...found].sort(([a], [b]) => b.length - a.length);
  return (text) => all.reduce((rest, [value, name]) => rest.replaceAll(value, name), text);
}

/** Drivers take a connection's URL apart before they quote it. */
function passwordIn(value: string): string[] {
  const password = URL.canParse(value) ? new URL(value).password : "";
  return password === "" ? [] : [password, safely(password)];
}

function safely(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}
