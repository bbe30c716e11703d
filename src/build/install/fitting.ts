import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../build.ts";
import type { Interpreter } from "../plan/interpreter.ts";
import { needsBuild } from "../plan/requirements.ts";
import { again } from "./again.ts";
import type { Environment } from "./environment.ts";
import { sharedCache, trustedUv, type Uv } from "./uv.ts";

/** Releases that are asked about where no interpreter of this machine has the wheels. */
const RELEASES = ["3.14", "3.13", "3.12", "3.11", "3.10", "3.9", "3.8"];
const MOST_TRIES = 4;

/** A pinned release has no wheel for this Python, and one for another that is here. */
export class OtherPython extends Error {
  override readonly name = "OtherPython";
  readonly interpreter: Interpreter;

  /** `why` is a sentence without its end. */
  constructor(interpreter: Interpreter, why: string) {
    super(why);
    this.interpreter = interpreter;
  }
}

/**
 * Makes an environment with the planned interpreter, or with another one that
 * the project admits where only that has the wheels of its pins. A failed build
 * of a pinned release names the Pythons that have a wheel of it.
 */
export async function withFittingPython(
  uv: Uv,
  make: (uv: Uv) => Promise<Environment>,
): Promise<{ readonly environment: Environment; readonly interpreter: Interpreter }> {
  let using = uv;
  for (let tries = 0; ; tries++) {
    try {
      return { environment: await make(using), interpreter: using.interpreter };
    } catch (error) {
      const other = error instanceof OtherPython ? error : await afterFailure(using, error);
      if (!(other instanceof OtherPython) || tries >= MOST_TRIES) throw other;
      uv.context.say(
        `${other.message}, so the build goes on with Python ${other.interpreter.version} in place of ${using.interpreter.version}`,
      );
      const { interpreter } = other;
      using = {
        ...using,
        interpreter,
        others: using.others.filter(({ executable }) => executable !== interpreter.executable),
      };
    }
  }
}

/** Exact pins that uv's words say have no wheel here, but have one for another interpreter of this machine. */
export async function elsewhere(uv: Uv, err: string): Promise<OtherPython | null> {
  const pins = [
    ...new Set(
      [
        ...err.matchAll(/([A-Za-z0-9][\w.-]{0,200}==[\w.!+]{1,100}) has no (?:usable wheels|wheels with)/g),
      ].map((match) => match[1] ?? ""),
    ),
  ].filter((pin) => !needsBuild(pin));
  // What has one here was refused for another reason: it was taken back, or is excluded.
  if (pins.length === 0 || (await hasWheels(uv, pins, minorOf(uv.interpreter.version)))) return null;
  for (const interpreter of distinct(uv.others)) {
    if (await hasWheels(uv, pins, minorOf(interpreter.version)))
      return new OtherPython(interpreter, wheelsFor(pins, interpreter));
  }
  return null;
}

async function afterFailure(uv: Uv, error: unknown): Promise<unknown> {
  if (
    !(error instanceof BuildError) ||
    !/^(?:dependency_build_failed|compiler_missing|library_missing|wheel_missing)$/.test(error.code)
  )
    return error;
  const pin = /^([A-Za-z0-9][\w.-]{0,200})(?:==| )([\w.!+]{1,100}) /.exec(error.message);
  const exact = pin === null ? undefined : `${pin[1]}==${pin[2]}`;
  if (exact === undefined || needsBuild(exact)) return error;
  uv.context.signal.throwIfAborted();
  for (const interpreter of distinct(uv.others)) {
    if (await hasWheels(uv, [exact], minorOf(interpreter.version)))
      return new OtherPython(interpreter, wheelsFor([exact], interpreter));
  }
  const having: string[] = [];
  for (const release of RELEASES) if (await hasWheels(uv, [exact], release)) having.push(release);
  const [newest] = having;
  if (newest === undefined) return error;
  const here = uv.others.some(({ version }) => minorOf(version) === newest);
  const hint = `${exact} has wheels for Python ${having.toReversed().join(", ")}: write ${newest} into .python-version${here ? "" : ", and have it on the machine that builds"}, or ask for a newer release of it.`;
  return new BuildError("install", error.code, error.message, {
    hint,
    traceback: error.traceback,
    cause: error,
  });
}

function wheelsFor(pins: readonly string[], { version }: Interpreter): string {
  return `${pins.join(", ")} ${pins.length > 1 ? "have" : "has"} wheels for Python ${minorOf(version)}`;
}

/** Asks the index, not the interpreter: nothing is installed and nothing runs. */
async function hasWheels(uv: Uv, pins: readonly string[], release: string): Promise<boolean> {
  const folder = join(uv.context.work, "wheels-for");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "pins.txt"), `${pins.join("\n")}\n`);
  const flags = [
    "--quiet",
    "--no-deps",
    "--no-header",
    "--only-binary",
    ":all:",
    "--python-version",
    release,
  ];
  const out = ["--output-file", join(folder, "out.txt"), join(folder, "pins.txt")];
  const args = ["pip", "compile", ...flags, "--python", uv.interpreter.executable, ...out];
  const result = await again(uv, () => trustedUv(uv, args, sharedCache(uv)));
  return result.code === 0;
}

/** One interpreter per release line, the newest. */
function distinct(interpreters: readonly Interpreter[]): Interpreter[] {
  const found = new Map<string, Interpreter>();
  for (const interpreter of interpreters) {
    const minor = minorOf(interpreter.version);
    if (!found.has(minor)) found.set(minor, interpreter);
  }
  return [...found.values()];
}

function minorOf(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}
