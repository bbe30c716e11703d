import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runChild } from "../../src/build/child.ts";
import { repository } from "../fixtures/repositories.ts";
import { describeIf } from "../needs.ts";
import { buildWorld, type BuildWorld } from "./world.ts";

const sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].find((path) => existsSync(path));

describeIf(sshd !== undefined, "sshd is not installed (Debian: apt install openssh-server)")(
  "a source over ssh",
  () => {
    let world: BuildWorld;
    let daemon: ChildProcess;
    let url: string;
    let authorized: string;
    let commit: string;

    beforeAll(async () => {
      world = await buildWorld();
      const folder = await mkdtemp(join(tmpdir(), "offing-sshd-"));
      await chmod(folder, 0o755);
      authorized = join(folder, "authorized");
      await writeFile(authorized, "");
      const hostKey = join(folder, "host");
      const env = { PATH: process.env["PATH"] ?? "", HOME: folder };
      const argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", hostKey];
      await runChild({ argv, cwd: folder, env, signal: AbortSignal.timeout(20_000) });
      if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true });
      const port = await freePort();
      const options = [
        `Port=${port}`,
        "ListenAddress=127.0.0.1",
        `HostKey=${hostKey}`,
        `AuthorizedKeysFile=${authorized}`,
        "PidFile=none",
        "StrictModes=no",
        "UsePAM=no",
        "PasswordAuthentication=no",
        "PermitRootLogin=prohibit-password",
      ];
      daemon = spawn(sshd!, ["-D", "-e", "-f", "/dev/null", ...options.flatMap((option) => ["-o", option])], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      for await (const text of daemon.stderr!) if (String(text).includes("Server listening")) break;
      world.allow.push({ host: "127.0.0.1", port });
      const made = await repository("over-ssh", { "main.py": "def broken(:\n" });
      commit = made.commit;
      url = `ssh://${userInfo().username}@127.0.0.1:${port}${made.path}`;
    });
    afterAll(async () => {
      daemon.kill("SIGTERM");
      await once(daemon, "exit");
      await world.close();
    });

    it("is refused in words that hold the organization's deploy key, and is read once the host knows that key", async () => {
      const shut = await world.run({ kind: "git", url, ref: null });
      expect(shut.error).toMatchObject({ step: "source", code: "source_auth" });
      const publicKey = await readFile(
        join(world.services.dataDir, "organizations/org_one/ssh/id_ed25519.pub"),
        "utf8",
      );
      expect(shut.error?.hint).toContain(publicKey.trim());
      await writeFile(authorized, publicKey);
      const open = await world.run({ kind: "git", url, ref: null });
      // The source was read: the build stops at what is wrong in it.
      expect(open.events.find((event) => event.type === "resolved")).toMatchObject({
        commit,
        ref: "refs/heads/main",
      });
      expect(open.error?.step).toBe("plan");
    });

    it("is not opened by another organization's key", async () => {
      const foreign = await world.run({ kind: "git", url, ref: null }, { organization: "org_two" });
      expect(foreign.error).toMatchObject({ step: "source", code: "source_auth" });
    });
  },
);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
