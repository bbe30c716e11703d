import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { steps } from "../../src/build/build.ts";
import { callText, deployed, finished, mcpClient, serverSaying, startDeploy } from "../deploy.ts";
import { type Program, startProgram } from "../program.ts";

/** Invariants 2 and 9: kill -9 of any process, at each step boundary and in between. */
let program: Program;
beforeAll(async () => {
  program = await startProgram();
  const { build } = await deployed(program.owner, "live", serverSaying("before"));
  expect(build.error).toBeNull();
});
afterAll(() => program[Symbol.asyncDispose]());

const ask = async (server: string) => {
  const client = await mcpClient(program, `default/${server}`, program.owner.key);
  try {
    return await callText(client, "answer");
  } finally {
    await client.close();
  }
};
/** Processes of the program whose command line holds `text`. */
const pidsOf = (text: string) =>
  program.descendants().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });

describe("kill -9 of the program", () => {
  it.each(steps.filter((step) => step !== "select"))(
    "when step %s begins: live serves on, and the build ends after the restart",
    async (step) => {
      const server = "live";
      const answer = `after ${step}`;
      const before = await ask(server);
      const started = await startDeploy(program.owner, server, serverSaying(answer));
      for await (const { data } of program.owner.client.stream("followBuild", {
        organization: "default",
        server,
        build: started.id,
      })) {
        if (data.type === "build" && data.build.steps.some((each) => each.step === step)) break;
      }
      await program.kill();
      await program.start();
      expect(program.said()).toContain("The program was killed last time");
      // Either it was selected before the kill, or what served before serves.
      expect([before, answer]).toContain(await ask(server));
      const { build } = await finished(program.owner, server, started.id);
      expect(build).toMatchObject({ status: "succeeded", error: null });
      expect(build.steps.every((each) => each.status === "succeeded")).toBe(true);
      expect(await ask(server)).toBe(answer);
    },
  );

  it("loses no write that was answered, at random moments, and the audit chain stays whole", async () => {
    for (let round = 0; round < 4; round++) {
      const acknowledged: string[] = [];
      const client = program.owner.client;
      const writers = Array.from({ length: 4 }, async (_, writer) => {
        for (let n = 0; ; n++) {
          const made = await client.call(
            "createKey",
            { organization: "default" },
            { label: `${round}-${writer}-${n}` },
          );
          acknowledged.push(made.id);
        }
      });
      const settled = Promise.allSettled(writers);
      while (acknowledged.length < 5 + 7 * round) await new Promise((resolve) => setImmediate(resolve));
      await program.kill();
      await settled;
      await program.start();
      const { items } = await program.owner.client.call(
        "listKeys",
        { organization: "default" },
        { limit: 200 },
      );
      const stored = new Set(items.map((key) => key.id));
      expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
      expect(await program.owner.client.call("verifyAudit", { organization: "default" })).toMatchObject({
        intact: true,
      });
    }
  });
});

describe("kill -9 of a part", () => {
  it("the postmaster: it comes again by itself, and nothing that was answered is lost", async () => {
    const made = await program.owner.client.call("createKey", { organization: "default" }, { label: "kept" });
    const postmaster = pidsOf("postgres-").find((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("-D"),
    )!;
    process.kill(postmaster, "SIGKILL");
    const keys = () =>
      program.owner.client.call("listKeys", { organization: "default" }, { limit: 200 }).catch(() => null);
    await expect
      .poll(async () => (await keys())?.items.some((key) => key.id === made.id), { timeout: 30_000 })
      .toBe(true);
    const after = async () =>
      (
        await program.owner.client
          .call("createKey", { organization: "default" }, { label: "after" })
          .catch(() => null)
      )?.id;
    await expect.poll(after, { timeout: 30_000 }).toMatch(/^key_/);
    expect(await ask("live")).toContain("after");
    const { build } = await deployed(program.owner, "again", serverSaying("again"));
    expect(build.error).toBeNull();
  });

  it("an instance: the next call starts another", async () => {
    await ask("live");
    for (const pid of pidsOf("serve.py")) process.kill(pid, "SIGKILL");
    await expect
      .poll(() => ask("live").catch((error: unknown) => String(error)), { timeout: 30_000 })
      .toContain("after");
  });

  it("uv during the install: the build fails in words, live is untouched, and the next one succeeds", async () => {
    // A lock of its own, so that there is something to install.
    const files = { ...serverSaying("uv"), "requirements.txt": "fastmcp>=4,<5\ncowsay==6.1\n" };
    const before = await ask("live");
    const started = await startDeploy(program.owner, "live", files);
    const hunt = (async () => {
      for (let killed = false; !killed;) {
        for (const pid of pidsOf("/uv")) {
          try {
            process.kill(pid, "SIGKILL");
            killed = true;
          } catch {
            // It had ended.
          }
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const { build } = await finished(program.owner, "live", started.id);
    await hunt;
    expect(build.status).toBe("failed");
    expect(["plan", "install"]).toContain(build.error?.step);
    expect(await ask("live")).toBe(before);
    expect((await deployed(program.owner, "live", files)).build.status).toBe("succeeded");
    expect(await ask("live")).toBe("uv");
  });
});

describe("SIGTERM", () => {
  it("ends the program cleanly: no process is left, and the next start knows of no kill", async () => {
    await ask("live");
    expect(await program.stop()).toBe(0);
    await program.start();
    expect(program.said()).not.toContain("killed");
  });
});
