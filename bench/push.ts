import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testCache } from "../test/cache.ts";
import { callText, deployed, mcpClient, serverSaying } from "../test/deploy.ts";
import { startProgram } from "../test/program.ts";
import { line, seconds } from "./figures.ts";

/**
 * From the upload's end to live, over the API of the real program in its own
 * process, then one call, so that "live" is shown: of a small FastMCP 4 server,
 * and of a heavy one that imports pandas.
 */
interface Kind {
  readonly name: string;
  readonly requirements: string;
  readonly imports: string;
  /** Milliseconds aimed at: lock unchanged, lock changed, empty wheel cache. */
  readonly aims: readonly [number, number, number] | undefined;
}

const kinds: readonly Kind[] = [
  { name: "small", requirements: "fastmcp>=4,<5\n", imports: "", aims: [5000, 10_000, 30_000] },
  {
    name: "heavy",
    requirements: "fastmcp>=4,<5\npandas>=2,<3\n",
    imports: "import pandas\n",
    aims: undefined,
  },
];

const cache = mkdtempSync(join(tmpdir(), "offing-bench-cache-"));
// Tools count as present: the empty cache lacks wheels only.
const tools = join(testCache, "tools");
for (const kind of kinds) {
  const program = await startProgram();
  try {
    // Brings tools and wheels that the first push of a machine would bring.
    await push(program, kind, "warm-up", "warm-up", undefined);
    await push(program, kind, "warm-up", "lock unchanged", kind.aims?.[0]);
    await push(program, kind, "changed", "lock changed, warm cache", kind.aims?.[1], "httpx\n");
  } finally {
    await program[Symbol.asyncDispose]();
  }
  if (existsSync(tools)) cpSync(tools, join(cache, "tools"), { recursive: true });
  const fresh = await startProgram({ OFFING_CACHE: cache });
  try {
    await push(fresh, kind, "empty", "empty cache", kind.aims?.[2]);
  } finally {
    await fresh[Symbol.asyncDispose]();
    rmSync(cache, { recursive: true, force: true });
  }
}

async function push(
  { url, owner }: Awaited<ReturnType<typeof startProgram>>,
  kind: Kind,
  server: string,
  name: string,
  aim: number | undefined,
  moreRequirements = "",
): Promise<void> {
  const { build, log } = await deployed(owner, server, {
    "main.py": `${kind.imports}${serverSaying(name)["main.py"] as string}`,
    "requirements.txt": kind.requirements + moreRequirements,
  });
  if (build.status !== "succeeded") throw new Error(log.join("\n"));
  const client = await mcpClient({ url }, `default/${server}`, owner.key);
  const answer = await callText(client, "answer");
  await client.close();
  if (answer !== name) throw new Error(`The new code does not serve: ${answer}`);
  const total = build.durationMs ?? Number.NaN;
  line(
    `${kind.name}: ${name}`,
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
