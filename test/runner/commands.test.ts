import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { SandboxCommand } from "../../src/runner/commands.ts";
import { noSandboxHere } from "../fixtures/environments.ts";
import { describeIf } from "../needs.ts";
import { world } from "./harness.ts";

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "offing-command-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function run(source: string, options: Partial<SandboxCommand> = {}) {
  const { runner } = await world({ isolation: "bwrap" });
  const lines: string[] = [];
  const ended = await runner.sandbox.run({
    argv: ["python3", "-c", source],
    cwd: "/",
    env: {},
    mounts: [],
    network: { kind: "none" },
    limits: { memoryMb: 256, processes: 64, fileBytes: 1 << 20 },
    signal: new AbortController().signal,
    onLine: (stream, text) => void lines.push(`${stream}: ${text}`),
    ...options,
  });
  return { ...ended, lines };
}

describeIf(noSandboxHere === null, noSandboxHere ?? "")("a command in its sandbox", () => {
  test("a command runs to its end with its lines, its exit code and nothing of the platform's environment", async () => {
    const { code, reason, lines } = await run(
      "import os, sys; print(sorted(os.environ)); print('oops', file=sys.stderr); sys.exit(3)",
      { env: { ONLY: "this" } },
    );
    expect({ code, reason }).toEqual({ code: 3, reason: null });
    expect(lines).toContain("err: oops");
    expect(lines.find((line) => line.startsWith("out"))).toMatch(
      /^out: \['HOME', 'LANG', ('LC_CTYPE', )?'ONLY', 'PATH', 'TMPDIR'\]$/,
    );
  });

  test("it writes where it may, reads what it was given, and the files are the platform's afterwards", async () => {
    const work = folder();
    const given = folder();
    chmodSync(given, 0o755);
    writeFileSync(join(given, "in"), "given");
    const { code, lines } = await run(
      "open('/work/out', 'w').write(open('/given/in').read())\ntry: open('/given/x', 'w')\nexcept OSError as e: print(e.strerror)",
      {
        cwd: "/work",
        mounts: [
          { source: work, target: "/work", writable: true },
          { source: given, target: "/given", writable: false },
        ],
      },
    );
    expect(code).toBe(0);
    expect(lines.join()).toMatch(/Read-only file system|Permission denied/);
    expect(readFileSync(join(work, "out"), "utf8")).toBe("given");
    expect(statSync(join(work, "out")).uid).toBe(process.getuid?.());
  });

  test("with the network `none` nothing is dialled", async () => {
    const { lines } = await run(
      "import socket\ntry: socket.create_connection(('1.1.1.1', 80), 5)\nexcept OSError as e: print(e)",
    );
    expect(lines.join()).toMatch(/unreachable/);
  });

  test("with the network `proxy` HTTP goes through the platform's proxy and nowhere else", async () => {
    const closed = folder();
    const socket = join(closed, "proxy");
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.end("through the proxy");
    });
    await new Promise<void>((resolve) => proxy.listen(socket, resolve));
    onTestFinished(() => void proxy.close());
    const { code, lines } = await run(
      `import urllib.request, socket, os
print(urllib.request.urlopen("http://index.example/simple/").read().decode())
print(os.environ["https_proxy"] == os.environ["HTTPS_PROXY"] == os.environ["ALL_PROXY"])
print(os.listdir("/proxy"))
try: socket.create_connection(("1.1.1.1", 80), 5)
except OSError as e: print(e)`,
      { network: { kind: "proxy", proxySocket: socket } },
    );
    expect(code).toBe(0);
    expect(lines).toEqual([
      "out: through the proxy",
      "out: True",
      "out: ['proxy']",
      expect.stringMatching(/unreachable/) as string,
    ]);
    expect(asked).toEqual(["http://index.example/simple/"]);
  });

  test("a limit that was reached is told: memory, and the size of a file", async () => {
    const memory = await run("x = bytearray()\nwhile True: x.extend(bytes(1 << 20))");
    expect(memory.code).not.toBe(0);
    expect(memory.reason ?? memory.lines.join()).toMatch(/more than its 256 MB of memory|MemoryError/);
    const work = folder();
    const file = await run("open('/work/big', 'wb').write(bytes(2 << 20))", {
      mounts: [{ source: work, target: "/work", writable: true }],
    });
    expect(file.lines.join() + String(file.reason)).toMatch(/File too large|more than 1048576 bytes/);
    expect(statSync(join(work, "big")).size).toBeLessThanOrEqual(1 << 20);
  });

  test("aborting kills everything in it, also what left its session", async () => {
    const controller = new AbortController();
    const marker = `${process.pid}${Date.now()}`;
    const ended = await run(
      `import subprocess
subprocess.Popen(["sleep", "${marker}"], start_new_session=True)
print("running", flush=True)
import time; time.sleep(600)`,
      { signal: controller.signal, onLine: () => controller.abort() },
    );
    expect(ended.reason).toBe("it was stopped");
    expect(execFileSync("ps", ["-eo", "args"]).toString()).not.toContain(`sleep ${marker}`);
  });
});
