import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { normalizeName } from "../plan/requirements.ts";
import { again } from "./again.ts";
import { printLock, type Locked } from "./lock.ts";
import { sharedCache, trustedUv, type Uv } from "./uv.ts";

/** A lock that lacks more wheels than this is built as a whole. */
const MOST = 20;
const LACKS = /Wheels are required for `([^`\s]+)`|Because ([\w.-]+)==\S+ has no usable wheels/;

/**
 * The packages of a lock that have no ready wheel for this Python, so that only
 * they are built. uv names one at a time. Undefined where its words do not tell.
 */
export async function lackingWheels(
  uv: Uv,
  lock: readonly Locked[],
): Promise<ReadonlySet<string> | undefined> {
  const lacking = new Set<string>();
  const list = join(uv.context.work, "ready.txt");
  const flags = ["--quiet", "--no-deps", "--only-binary", ":all:", "--python", uv.interpreter.executable];
  while (lacking.size < MOST) {
    const ready = lock.filter((entry) => !entry.fromSource && !lacking.has(entry.name ?? ""));
    await writeFile(list, printLock(ready));
    const args = ["pip", "compile", ...flags, "--output-file", join(uv.context.work, "ready-lock.txt"), list];
    const { code, err } = await again(
      uv,
      (refresh) => trustedUv(uv, [...args, ...refresh], sharedCache(uv)),
      ready,
    );
    if (code === 0) return lacking;
    const [, hinted, caused] = LACKS.exec(err) ?? [];
    const name = normalizeName(hinted ?? caused ?? "");
    if (name === "" || lacking.has(name)) return undefined;
    lacking.add(name);
  }
  return undefined;
}
