import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testCache } from "../test/cache.ts";
import { callText, deployed, mcpClient, serverSaying } from "../test/deploy.ts";
import { startProgram } from "../test/program.ts";
import { line, seconds } from "./figures.ts";

/**
 * From the upload's end to live, of a small FastMCP 4 server, over the API of
 * the real program in its own process; then one call, so that "live" is shown.
 */
const cache = mkdtempSync(join(tmpdir(), "offing-bench-cache-"));
const program = await startProgram();
try {
  // Brings tools and wheels that the first push of a machine would bring.
  await push(program, "brings", "warm-up", undefined);
  await push(program, "brings", "warm cache, lock unchanged", 10_000);
  await push(program, "changed", "warm cache, lock changed", 10_000, "httpx\n");
} finally {
  await program[Symbol.asyncDispose]();
}
// Tools count as present: the empty cache lacks wheels only.
const tools = join(testCache, "tools");
if (existsSync(tools)) cpSync(tools, join(cache, "tools"), { recursive: true });
const fresh = await startProgram({ OFFING_CACHE: cache });
try {
  await push(fresh, "empty", "empty cache", 30_000);
} finally {
  await fresh[Symbol.asyncDispose]();
  rmSync(cache, { recursive: true, force: true });
}

async function push(
  { url, owner }: Awaited<ReturnType<typeof startProgram>>,
  server: string,
  name: string,
  aim: number | undefined,
  moreRequirements = "",
): Promise<void> {
  const { build, log } = await deployed(owner, server, {
    ...serverSaying(name),
    "requirements.txt": `fastmcp>=4,<5\n${moreRequirements}`,
  });
  if (build.status !== "succeeded") throw new Error(log.join("\n"));
  const client = await mcpClient({ url }, `default/${server}`, owner.key);
  const answer = await callText(client, "answer");
  await client.close();
  if (answer !== name) throw new Error(`The new code does not serve: ${answer}`);
  const total = build.durationMs ?? Number.NaN;
  line(
    name,
    seconds(total),
    aim === undefined ? undefined : { text: `≤ ${seconds(aim)}`, met: total <= aim },
  );
  for (const { step, durationMs, reused } of build.steps) {
    const share = `${(((durationMs ?? 0) / total) * 100).toFixed(0)} %`;
    console.log(
      `  ${(reused ? `${step} (reused)` : step).padEnd(42)}${seconds(durationMs ?? 0).padStart(12)}${share.padStart(7)}`,
    );
  }
}
