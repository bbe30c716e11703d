import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dataDir } from "../config.ts";
import { type Client, createClient } from "../contract/client.ts";
import { OffingError } from "../contract/errors.ts";
import { isSlug } from "../contract/slugs.ts";

/** What a command works with. */
export interface CliContext {
  readonly url: string;
  readonly key: string | undefined;
  readonly client: Client;
  /** Whether the one JSON value on stdout is wanted. */
  readonly json: boolean;
  /** The organization that a bare server slug belongs to. */
  organization(): Promise<string>;
}

/** What `up` leaves in the data folder while it serves. */
export interface RunFile {
  readonly url: string;
  readonly pid: number;
  readonly start: string;
}

/**
 * Finds the program and the key: OFFING_URL and OFFING_API_KEY win where set;
 * else the program of this machine's data folder, and its owner's key.
 */
export function openContext(json: boolean, env: NodeJS.ProcessEnv): CliContext {
  const folder = dataDir({ data: env["OFFING_DATA"] });
  const url = (env["OFFING_URL"] || localUrl(folder)).replace(/\/+$/, "");
  const key = env["OFFING_API_KEY"] || (env["OFFING_URL"] ? undefined : ownerKey(folder));
  const client = createClient({ url, key });
  let organization: Promise<string> | undefined;
  return {
    url,
    key,
    client,
    json,
    organization: () => (organization ??= client.call("me", {}).then((me) => me.organization.slug)),
  };
}

/** `SLUG` or `ORG/SLUG`. */
export async function serverOf(
  cli: CliContext,
  text: string,
): Promise<{ organization: string; server: string }> {
  const parts = text.split("/");
  const [first, second] = parts as [string, string?];
  if (parts.length > 2 || !parts.every(isSlug))
    throw new UsageError(`SERVER is SLUG or ORG/SLUG, not "${text}"`);
  return second === undefined
    ? { organization: await cli.organization(), server: first }
    : { organization: first, server: second };
}

/** A command that was called in a way it does not take: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

function localUrl(folder: string): string {
  const file = join(folder, "up.json");
  if (!existsSync(file)) {
    throw new OffingError("unavailable", `no program runs on the data folder ${folder}`, {
      hint: "start one with ./offing up, or set OFFING_URL and OFFING_API_KEY to use one elsewhere",
    });
  }
  return (JSON.parse(readFileSync(file, "utf8")) as RunFile).url;
}

function ownerKey(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, "owner.key"), "utf8").trim();
  } catch {
    return undefined;
  }
}
