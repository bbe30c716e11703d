import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createProxy } from "../../upstream/proxy.ts";
import { runChild } from "../child.ts";
import type { StepContext } from "../services.ts";

/**
 * Has uv download a CPython that satisfies `range` into `<cache>/tools/python`.
 * The path of its program, or undefined, with a line that says why, where it
 * cannot be had.
 */
export async function downloadPython(
  context: StepContext,
  uv: string,
  range: string,
): Promise<string | undefined> {
  const folder = join(context.services.cacheDir, "tools", "python");
  await mkdir(folder, { recursive: true });
  context.say(`no Python here fits ${range}; asking uv to download one`);
  const proxy = await createProxy({
    guard: context.services.guard,
    organization: context.organization,
    maxBytes: context.limits.diskBytes,
  });
  const certificates = context.services.env["SSL_CERT_FILE"];
  const env = {
    HOME: context.work,
    NO_COLOR: "1",
    UV_NO_CONFIG: "1",
    UV_NO_PROGRESS: "1",
    UV_PYTHON_INSTALL_DIR: folder,
    UV_PYTHON_PREFERENCE: "only-managed",
    UV_CACHE_DIR: join(context.services.cacheDir, "uv"),
    UV_HTTP_RETRIES: "0",
    HTTP_PROXY: proxy.url,
    HTTPS_PROXY: proxy.url,
    ...(certificates === undefined ? {} : { SSL_CERT_FILE: certificates }),
  };
  const run = { cwd: context.work, env, signal: context.signal };
  try {
    const result = await runChild({ ...run, argv: [uv, "python", "install", "--no-bin", range] });
    if (result.code !== 0) {
      context.say(result.err.trim().split("\n").at(-1) ?? "the download failed", "err");
      return undefined;
    }
    const found = await runChild({ ...run, argv: [uv, "python", "find", range] });
    return found.code === 0 ? found.out.trim() : undefined;
  } finally {
    await proxy.close();
  }
}
