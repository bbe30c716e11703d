import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { noEgressHere, noSandboxHere } from "../fixtures/environments.ts";
import { describeIf } from "../needs.ts";
import { call, fastmcpServer, startError, world } from "./harness.ts";

/** A server with one tool that evaluates Python: the worst tenant there is. */
const evaluator = fastmcpServer(`
import ctypes, glob, json, resource, signal, socket, subprocess, threading, time
def tell(f):
    try:
        return str(f())
    except BaseException as e:
        return type(e).__name__ + ": " + str(e)
@mcp.tool
def run(source: str) -> str:
    space = dict(globals())
    try:
        exec(source, space)
        return str(space.get("out"))
    except BaseException as e:
        return type(e).__name__ + ": " + str(e)
`);

async function prisoner(options: Parameters<typeof world>[0] = {}) {
  const opened = await world({ isolation: "bwrap", ...options });
  const target = await opened.deploy({ files: { "main.py": evaluator } });
  const lease = await opened.runner.acquire(target);
  return { ...opened, target, lease, run: (source: string) => call(lease.address, "run", { source }) };
}

const root = process.getuid?.() === 0;

describeIf(noSandboxHere === null, noSandboxHere ?? "")("an instance in its sandbox", () => {
  test.runIf(root)(
    "as root, instances have kernel uids of their own, no group, no capability and cannot gain any",
    async () => {
      const { runner, deploy, run } = await prisoner();
      const other = await runner.acquire(await deploy({ files: { "main.py": evaluator } }));
      const read = "out = os.getuid()";
      const [one, two] = [
        Number(await run(read)),
        Number(await call(other.address, "run", { source: read })),
      ];
      expect(one).toBeGreaterThanOrEqual(200_000);
      expect(two).toBeGreaterThanOrEqual(200_000);
      expect(one).not.toBe(two);
      const status = await run("out = open('/proc/self/status').read()");
      expect(status).toMatch(/Groups:\s*\n/);
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
        expect(status).toMatch(new RegExp(`${set}:\\s+0000000000000000`));
      }
      expect(status).toMatch(/NoNewPrivs:\s+1/);
      expect(status).toMatch(/Seccomp:\s+2/);
      expect(await run("out = open('/proc/self/uid_map').read().split()")).toBe("['0', '0', '4294967295']");
    },
  );

  test("an instance sees no file of the platform and no process but its own", async () => {
    const { run } = await prisoner();
    const here = import.meta.dirname;
    expect(await run(`out = os.path.exists(${JSON.stringify(here)})`)).toBe("False");
    expect(await run("out = sorted(os.listdir('/'))")).not.toMatch(/root|home|work|run|var/);
    expect(await run(`out = os.path.exists('/proc/${process.ppid}/environ') and ${process.ppid} > 10`)).toBe(
      "False",
    );
    const seen = await run(
      "out = [open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit()]",
    );
    expect(seen).not.toContain("node");
    expect(await run("out = open('/etc/passwd').read()")).toMatch(/^server:x:\d+:\d+:server:\S+\n$/);
    expect(await run("out = os.path.exists('/etc/shadow')")).toBe("False");
  });

  test("code and environment are read-only, /tmp is private and of a fixed size", async () => {
    const { run } = await prisoner();
    expect(await run("open('/code/x', 'w')")).toMatch(/Read-only|Permission denied/);
    expect(await run("open('/env/x', 'w')")).toMatch(/Read-only|Permission denied/);
    expect(await run("open('/x', 'w')")).toMatch(/Read-only|Permission denied/);
    expect(await run("open('/proc/sys/vm/stat_interval', 'w')")).toMatch(/Read-only|Permission denied/);
    expect(
      await run("open(os.path.expanduser('~/x'), 'w').write('kept'); out = open('/tmp/home/x').read()"),
    ).toBe("kept");
    expect(await run("s = os.statvfs('/tmp'); out = s.f_blocks * s.f_frsize")).toBe(
      String(256 * 1024 * 1024),
    );
  });

  test("the calls that kernels fail at are refused: namespaces, mounts, tracing, vsock", async () => {
    const { run } = await prisoner();
    const libc = "libc = ctypes.CDLL(None, use_errno=True);";
    expect(await run(`${libc} out = (libc.unshare(0x10000000), ctypes.get_errno())`)).toBe("(-1, 1)");
    expect(
      await run(`${libc} out = (libc.mount(b'x', b'/tmp', b'tmpfs', 0, None), ctypes.get_errno())`),
    ).toBe("(-1, 1)");
    expect(await run(`${libc} out = (libc.ptrace(0, 0, 0, 0), ctypes.get_errno())`)).toBe("(-1, 1)");
    expect(await run("socket.socket(40, socket.SOCK_STREAM)")).toContain("[Errno 97]");
    expect(
      await run("out = subprocess.run(['/bin/echo', 'children are fine'], capture_output=True).stdout"),
    ).toContain("fine");
    expect(
      await run("t = threading.Thread(target=lambda: None); t.start(); t.join(); out = 'threads are fine'"),
    ).toContain("fine");
  });

  test("no socket of another instance or of the platform is within reach", async () => {
    const { runner, deploy, run } = await prisoner();
    const other = await runner.acquire(await deploy({ files: { "main.py": evaluator } }));
    const path = JSON.stringify(other.address.slice("unix:".length));
    expect(await run(`socket.socket(socket.AF_UNIX).connect(${path})`)).toMatch(
      /FileNotFoundError|PermissionError/,
    );
    expect(await run("out = glob.glob('/run/*') + glob.glob('/tmp/offing*')")).toBe("[]");
  });

  test("an instance that takes more memory than its limit is killed, and the reason is told", async () => {
    const { lease, run, target, runner } = await prisoner({ memoryMb: 200 });
    const lost = new Promise((resolve) => lease.lost.addEventListener("abort", resolve, { once: true }));
    const eaten = run("x = bytearray(1); [x.extend(os.urandom(1 << 20)) for _ in range(400)]").catch(
      () => "gone",
    );
    if (runner.isolation.memory === "cgroup") {
      expect(await eaten).toBe("gone");
      await lost;
      expect(String(lease.lost.reason)).toContain("more than its 200 MB of memory");
      expect(await startError(runner.acquire(target))).toMatchObject({ reason: "memory" });
    } else {
      expect(await eaten).toMatch(/MemoryError|gone/);
    }
  });

  test("a fork bomb ends at its own limit, and the machine and its neighbours go on", async () => {
    const { runner, deploy, run } = await prisoner();
    const bomb = `
count = 0
children = []
try:
    while count < 2000:
        pid = os.fork()
        if pid == 0:
            time.sleep(30)
            os._exit(0)
        children.append(pid)
        count += 1
except OSError:
    pass
for pid in children:
    os.kill(pid, signal.SIGKILL)
out = 0 < count < 300
`;
    expect(await run(bomb)).toBe("True");
    const other = await runner.acquire(await deploy({ files: { "main.py": evaluator } }));
    expect(await call(other.address, "run", { source: "out = 'alive'" })).toBe("alive");
  });

  test("private, metadata, loopback and the machine's own addresses are out of reach, at once", async () => {
    const { run, runner } = await prisoner();
    const own = Object.values(networkInterfaces())
      .flat()
      .find((entry) => entry?.family === "IPv4" && !entry.internal)?.address;
    const server = createServer((socket) => socket.end("reached"));
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
    onTestFinished(() => void server.close());
    const port = (server.address() as { port: number }).port;
    const dial = (host: string, at: number) =>
      run(`
s = socket.socket()
s.settimeout(20)
s.connect((${JSON.stringify(host)}, ${at}))
out = "reached " + str(s.recv(10))
`);
    const refused = /\[Errno (101|111|113)\]/;
    const targets = ["10.1.2.3", "172.16.0.9", "192.168.1.1", "100.64.0.1", "169.254.169.254", "127.0.0.1"];
    for (const host of targets) expect(await dial(host, port)).toMatch(refused);
    if (own !== undefined) expect(await dial(own, port)).toMatch(refused);
    if (runner.isolation.egress === "filtered") {
      // slirp4netns's names for the machine: its gateway and its resolver.
      expect(await dial("10.0.2.2", port)).not.toContain("reached");
      expect(await dial("10.0.2.3", port)).not.toContain("reached");
      const pinned = `
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"tap0")
s.settimeout(5)
s.connect((${JSON.stringify(own ?? "192.168.1.1")}, ${port}))
out = "reached"
`;
      expect(await run(pinned)).not.toContain("reached");
      expect(
        await run("s = socket.socket(socket.AF_INET6); s.connect(('fd00::2', 80)); out = 'reached'"),
      ).toMatch(/Errno/);
    }
  });

  describeIf(noEgressHere === null, noEgressHere ?? "")("with a filtered network", () => {
    test("names resolve inside, and an address that is allowed by name is reached", async () => {
      const { lookup } = await import("node:dns/promises");
      const { address } = await lookup("pypi.org", { family: 4 });
      const { run, runner } = await prisoner({ egressAllow: [address] });
      expect(runner.isolation.egress).toBe("filtered");
      expect(await run("out = socket.getaddrinfo('pypi.org', 443, socket.AF_INET)[0][4][0]")).toBe(address);
      expect(await run("socket.create_connection(('pypi.org', 443), 20).close(); out = 'connected'")).toBe(
        "connected",
      );
    });
  });

  test("the secrets of a scope are in no command line of the machine", async () => {
    const { runner, deploy } = await world({ isolation: "bwrap" });
    const target = await deploy({ files: { "main.py": evaluator }, variables: { SECRET: "canary-in-argv" } });
    const { address } = await runner.acquire(target);
    expect(await call(address, "run", { source: "out = os.environ['SECRET']" })).toBe("canary-in-argv");
    const { readdirSync } = await import("node:fs");
    for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
      let line = "";
      try {
        line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        continue;
      }
      expect(line).not.toContain("canary-in-argv");
    }
  });

  test.runIf(root)(
    "with Landlock, code that its own uid has no way to is told with the folder in the way",
    async () => {
      const closed = mkdtempSync(join(tmpdir(), "offing-closed-"));
      onTestFinished(() => rmSync(closed, { recursive: true, force: true }));
      mkdirSync(join(closed, "code"));
      writeFileSync(join(closed, "code", "main.py"), evaluator);
      const { runner, deploy } = await world({ isolation: "landlock" });
      const target = await deploy({ files: {}, code: join(closed, "code") });
      const error = await startError(runner.acquire(target));
      expect(error).toMatchObject({ reason: "isolation" });
      expect(error.message).toContain(`lies in ${closed}, which no other user may pass`);
    },
  );

  test("what it writes to its own control channel harms nobody, and forges no word of the platform's", async () => {
    const { run, lines } = await prisoner();
    for (const text of [
      "null",
      "5",
      "[]",
      "not JSON",
      '{"line": null}',
      '{"line": {"stream": "stdout", "text": 5, "request": {}}}',
      '{"line": {"stream": "system", "text": "forged"}}',
      '{"ready": null}',
      '{"failed": 1}',
    ])
      expect(await run(`out = os.write(3, ${JSON.stringify(`${text}\n`)}.encode())`)).toBe(
        String(text.length + 1),
      );
    expect(await run("out = 'alive'")).toBe("alive");
    expect(lines.map((line) => line.text)).not.toContain("forged");
  });

  test("a line of any bytes arrives as text that is safe to print and to store, and a long one in pieces", async () => {
    const { run, line } = await prisoner();
    const bytes = String.raw`b"\x1b]0;title\x07\x1b[31mred\x1b[0m\x00\x07\xff\xe2\x80\xae end\n"`;
    await run(`os.write(1, ${bytes})`);
    expect((await line((one) => one.text.endsWith("end"))).text).toBe("red\uFFFD end");
    await run(`print(json.loads('"lone \\\\ud800 half"'))`);
    await run("os.write(1, b'x' * 200000 + b'last\\n')");
    expect((await line((one) => one.text.endsWith("last"))).text.length).toBeLessThanOrEqual(64 * 1024);
  });

  test("it has no open file but its own standard streams, its channel and sockets, whatever the platform was started with", async () => {
    const { run } = await prisoner();
    const open = await run(
      "out = sorted({os.readlink(f'/proc/self/fd/{n}').split(':')[0] for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')})",
    );
    expect(open).toBe("['/dev/null', 'anon_inode', 'socket']");
  });

  test("with Landlock alone an instance still reads and writes nothing of others and opens no TCP connection", async () => {
    const { runner, run } = await prisoner({ isolation: "landlock" });
    expect(runner.isolation.notes.join(" ")).toContain("WARNING");
    expect(await run(`out = os.listdir(${JSON.stringify(import.meta.dirname)})`)).toMatch(/PermissionError/);
    expect(await run("open('/var/tmp/offing-escape', 'w')")).toMatch(/PermissionError/);
    expect(await run("open('/proc/1/environ').read()")).toMatch(/PermissionError/);
    expect(await run("os.kill(1, 0)")).toMatch(/PermissionError/);
    expect(await run("socket.create_connection(('127.0.0.1', 1), 5)")).toMatch(/PermissionError/);
    expect(await run("open(os.environ['TMPDIR'] + '/x', 'w').write('fine'); out = 'kept'")).toBe("kept");
  });

  test("with Landlock alone it can share no port of the platform's, nor take one in a way that Landlock does not see [R:runner.own-port]", async () => {
    const { run } = await prisoner({ isolation: "landlock" });
    // As gateway processes hold theirs.
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((done) => server.listen({ host: "127.0.0.1", port: 0, reusePort: true }, done));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    expect(await run("socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)")).toMatch(
      /PermissionError/,
    );
    expect(await run(`socket.socket().bind(('127.0.0.1', ${port}))`)).toMatch(/PermissionError|in use/);
    // IPPROTO_MPTCP and IPPROTO_SMC.
    for (const protocol of [262, 256]) {
      expect(await run(`socket.socket(socket.AF_INET, socket.SOCK_STREAM, ${protocol})`)).toMatch(
        /Protocol not supported/,
      );
    }
    // What else sockets are asked for works.
    expect(await run("out = socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)")).toBe(
      "None",
    );
    expect(
      await run("out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"),
    ).toBe("1");
    expect(await run("socket.socket(40)")).toMatch(/OSError/);
  });

  test("with no isolation at all only when that is asked for by name", async () => {
    const { runner } = await prisoner({ isolation: "none" });
    expect(runner.isolation).toMatchObject({ layer: "none", egress: "none" });
    await expect(world({ isolation: "bwrap", bwrap: "/nonexistent/bwrap" })).rejects.toThrow(
      /bubblewrap does not work here/,
    );
  });
});
