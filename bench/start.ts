import { findBwrap } from "../src/main/bwrap.ts";
import { readEnv, toConfig } from "../src/config.ts";
import { locateArtifact } from "../src/build/package.ts";
import { createLocalRunner } from "../src/runner/local.ts";
import { discover } from "../src/upstream/discover.ts";
import { createPools } from "../src/upstream/pool.ts";
import { testCache } from "../test/cache.ts";
import { deployed, serverSaying } from "../test/deploy.ts";
import { startProgram } from "../test/program.ts";
import { line, quantile, seconds } from "./figures.ts";

/** A built artifact of a small FastMCP 4 server, started again and again: from asking for it to its first answers. */
const starts = Number(process.env["BENCH_STARTS"] ?? 20);
const program = await startProgram();
try {
  const { build, log } = await deployed(program.owner, "start", serverSaying("here"));
  if (build.artifact === null) throw new Error(log.join("\n"));
  await program.stop();
  const config = toConfig({ ...readEnv(process.env), data: program.dataDir, cache: testCache });
  const target = {
    organization: program.owner.organization,
    server: build.server,
    artifact: build.artifact,
    scope: "production",
    variables: null,
  } as const;
  const runner = await createLocalRunner({
    artifacts: {
      locate: async ({ artifact }) => ({
        ...(await locateArtifact(program.dataDir, artifact)),
        variables: {},
      }),
    },
    lines: { write: () => {} },
    python: config.python,
    bwrap: await findBwrap({
      cacheDir: config.cacheDir,
      python: config.python,
      env: process.env,
      say: () => {},
    }),
  });
  const pools = createPools();
  const ready: number[] = [];
  const answered: number[] = [];
  try {
    for (let i = 0; i < starts; i++) {
      const asked = performance.now();
      const lease = await runner.acquire(target);
      ready.push(performance.now() - asked);
      await discover(pools.at(lease.address));
      answered.push(performance.now() - asked);
      pools.drop(lease.address, new Error("The bench goes on."));
      lease.release();
      await runner.retire(target);
    }
  } finally {
    await pools.close();
    await runner.close();
  }
  const p95 = quantile(ready, 0.95);
  line(`ready, median of ${starts}`, seconds(quantile(ready, 0.5)));
  line("ready, p95", seconds(p95), { text: "≤ 1.20 s", met: p95 <= 1200 });
  line("discovered in both eras, median", seconds(quantile(answered, 0.5)));
  line("discovered in both eras, p95", seconds(quantile(answered, 0.95)));
} finally {
  await program[Symbol.asyncDispose]();
}
