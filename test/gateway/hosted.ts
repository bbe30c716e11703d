import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLocalRunner, type LocalRunner } from "../../src/runner/local.ts";
import type { Target } from "../../src/runner/runner.ts";
import { discover } from "../../src/upstream/discover.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { bwrap, environment, python } from "../fixtures/environments.ts";
import type { TestGateway } from "./harness.ts";

/** A Python server as Offing hosts it, behind a test's gateway as `f`. */
export class HostedServer implements AsyncDisposable {
  readonly runner: LocalRunner;
  readonly url: string;
  /** The environment's interpreter, for clients of the same packages. */
  readonly python: string;
  readonly #folder: string;
  readonly #target: Target;

  constructor(runner: LocalRunner, url: string, interpreter: string, folder: string, target: Target) {
    this.runner = runner;
    this.url = url;
    this.python = interpreter;
    this.#folder = folder;
    this.#target = target;
  }

  static async start(world: TestGateway, requirements: readonly string[], source: string) {
    const folder = mkdtempSync(join(tmpdir(), "offing-hosted-"));
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, "main.py"), source);
    const target: Target = {
      organization: "org_acme",
      server: "srv_acme_f",
      artifact: "a".repeat(64),
      scope: "production",
      variables: null,
    };
    const located = {
      code: folder,
      environment: await environment(requirements),
      entrypoint: "main.py",
      object: null,
      pythonPath: [],
      variables: {},
      stateKeys: [randomBytes(32).toString("hex")],
    };
    const runner = await createLocalRunner({
      python,
      bwrap,
      artifacts: { locate: async () => located },
      lines: { write: () => {} },
    });
    const lease = await runner.acquire(target);
    const pools = createPools();
    const manifest = await discover(pools.at(lease.address));
    await pools.close();
    lease.release();
    const url = world.publish("f", { manifest, address: () => runner.acquire(target) });
    return new HostedServer(runner, url, join(located.environment, "bin/python"), folder, target);
  }

  /** Ends the instance; the next call starts another. */
  async replace(): Promise<void> {
    await this.runner.retire(this.#target);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
