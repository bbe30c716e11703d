import { OffingError } from "../../contract/errors.ts";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { CliContext } from "../context.ts";

/** One line of the two lists. The field names are public. */
export interface Line {
  readonly list: "hosted" | "external";
  /** What should be so, in a sentence. */
  readonly check: string;
  readonly result: "passed" | "failed" | "not_applicable";
  /** What was found; for `not_applicable`, the reason. */
  readonly detail: string;
  /** What to do next; null where nothing has to be done. */
  readonly fix: string | null;
}

/** A request that the check made through the endpoint, to be found again in the records. */
export interface Made {
  /** Null for one that is refused before its body is read, and with it the client's name. */
  readonly method: string | null;
  /** Whose key it carried. */
  readonly principal: { readonly id: string; readonly name: string };
}

/** What the lines work with. */
export interface Scene {
  readonly cli: CliContext;
  readonly at: { readonly organization: string; readonly server: string };
  readonly me: Output<Routes["me"]>;
  readonly server: Output<Routes["getServer"]>;
  /** Newest first; null where the caller may not read them. */
  readonly builds: Output<Routes["listBuilds"]>["items"] | null;
  /** A moment before the check's first request, by the program's clock. */
  readonly since: string;
  /** The client as which the check's requests stand in the records; no two checks have the same version. */
  readonly client: { readonly name: string; readonly version: string };
  /** Filled by the lines that make requests. */
  readonly made: Made[];
}

/** A name that no server has: what is asked for it ends in an error, and changes nothing. */
export const absentName = "offing-check-absent";

type Found = readonly [result: Line["result"], detail: string, fix?: string | null];

export const passed = (detail: string): Found => ["passed", detail];
export const failed = (detail: string, fix: string | null): Found => ["failed", detail, fix];
export const notApplicable = (detail: string, fix: string | null = null): Found => [
  "not_applicable",
  detail,
  fix,
];
/** The live deployment; undefined while there is none. */
export const liveOf = ({ server }: Scene) => server.deployments.find(({ slug }) => slug === "live");
/** Whether there is anything behind the endpoint: a live deployment, or a server that runs elsewhere. */
export const isServed = (scene: Scene) => scene.server.kind === "external" || liveOf(scene) !== undefined;
/** For lines that have nothing to look at then; that nothing is live is a failure of its own line. */
export const nothingLive = notApplicable("nothing is live");
export const needsRole = (role: string): Found =>
  notApplicable(`your key may not see this: it needs the server role "${role}"`);

/** A line, from what its test found. A test that breaks is a line that failed. */
export async function line(
  list: Line["list"],
  check: string,
  test: () => Found | Promise<Found>,
): Promise<Line> {
  let found: Found;
  try {
    found = await test();
  } catch (error) {
    const { hint } = error as { hint?: unknown };
    found = failed(wordsOf(error), typeof hint === "string" ? hint : null);
  }
  const [result, detail, fix = null] = found;
  return { list, check, result, detail, fix };
}

/** What went wrong, with what lies below: fetch() says in its error's causes what it was. */
function wordsOf(error: unknown): string {
  if (error instanceof OffingError) return error.message;
  const words: string[] = [];
  for (let at = error; at instanceof Error && words.length < 5; at = at.cause) {
    const said = at.message || String((at as NodeJS.ErrnoException).code ?? "");
    if (!words.some((word) => word.includes(said))) words.push(said);
  }
  return words.join(": ") || String(error);
}
