import { delimiter, join } from "node:path";
import { BuildError } from "../build.ts";
import { runChild } from "../child.ts";
import { compareVersions, parseVersion } from "../plan/versions.ts";
import { fetchFromWheel, runnable, type ToolContext, toolPath, type WheelTool } from "../tools/wheel.ts";
import type { Indexes } from "./indexes.ts";

/** The uv that installs Python packages, as PyPI carries it. */
export const pinnedUv: WheelTool = {
  name: "uv",
  package: "uv",
  version: "0.13.8",
  wheels: {
    x64: {
      file: "uv-0.13.8-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
      sha256: "e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984",
    },
    arm64: {
      file: "uv-0.13.8-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
      sha256: "0b3e8b1a4f5e405e31e2ff33de8af4744831e9f7338539671efbd8c3c94e791d",
    },
  },
  program: "uv-0.13.8.data/scripts/uv",
};

/** The oldest uv whose flags are the ones used here. */
const OLDEST = [0, 9, 0];

/**
 * The absolute path of the uv that is here: the pinned one in `<cache>/tools`,
 * else one on PATH that is new enough; undefined for none.
 */
export async function uvHere(context: ToolContext): Promise<string | undefined> {
  const pinned = toolPath(context.cacheDir, pinnedUv);
  if (await runnable(pinned)) return pinned;
  for (const folder of (context.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, "uv");
    if (folder.startsWith("/") && (await runnable(path)) && (await newEnough(context, path))) return path;
  }
  return undefined;
}

/** The absolute path of a uv: the one that is here, else the pinned one, fetched. Throws BuildError `uv_missing`. */
export async function findUv(context: ToolContext, indexes: Indexes): Promise<string> {
  const here = await uvHere(context);
  if (here !== undefined) return here;
  try {
    return await fetchFromWheel(context, pinnedUv, indexes);
  } catch (error) {
    context.signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    throw new BuildError(
      "install",
      "uv_missing",
      `uv ${pinnedUv.version}, which installs Python packages, could not be fetched: ${why}.`,
      {
        hint: `Put uv on the PATH, for example with: python3 -m pip install uv==${pinnedUv.version}`,
        cause: error,
      },
    );
  }
}

async function newEnough(context: ToolContext, path: string): Promise<boolean> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(10_000)]);
  const result = await runChild({ argv: [path, "--version"], cwd: "/", env: {}, signal }).catch(
    () => undefined,
  );
  const version = parseVersion(/^uv (\d+\.\d+\.\d+)/.exec(result?.out ?? "")?.[1] ?? "");
  return version !== undefined && compareVersions(version, OLDEST) >= 0;
}
