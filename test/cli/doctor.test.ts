import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { delimiter, join } from "node:path";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Check } from "../../src/main/doctor/check.ts";
import { testCache } from "../cache.ts";
import { startProgram } from "../program.ts";
import { createDatabase } from "../world.ts";
import { offing, type Ran, value } from "./offing.ts";

interface Report {
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

const names = [
  ["platform", "node", "git", "ssh", "python", "python downloads", "uv", "package index"],
  ["isolation", "memory limit", "egress", "postgresql", "valkey"],
  ["data folder", "cache folder", "shared wheels", "port", "program", "browser"],
].flat();

/** A machine of its own: folders that are not there yet, and a port that is free. */
async function examine(env: Record<string, string | undefined> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "offing-examined-"));
  const tmp = join(folder, "tmp");
  await mkdir(tmp);
  const ran: Ran = await offing(
    {
      ...machine(),
      OFFING_DATA: join(folder, "data"),
      OFFING_CACHE: testCache,
      OFFING_PORT: "0",
      TMPDIR: tmp,
      ...env,
    },
    "doctor",
    "--json",
  );
  const report = value<Report>(ran);
  const of = (name: string): Check => {
    const found = report.checks.find((check) => check.name === name);
    if (found === undefined) throw new Error(`no line "${name}": ${ran.stdout}`);
    return found;
  };
  return { ran, report, of, folder, tmp };
}

/** What this machine's pip and certificates need. */
function machine(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => /^(?:PIP_|SSL_CERT_|PYENV_)/.test(name));
  return { ...Object.fromEntries(kept), HOME: process.env["HOME"] };
}

/** A PATH that holds these programs alone, as this machine has them. */
async function pathWith(...programs: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "offing-path-"));
  for (const name of programs) {
    const at = (process.env["PATH"] ?? "").split(delimiter).find((each) => existsSync(join(each, name)));
    // A version manager's python3 is a script that needs its manager.
    const found = name === "python3" ? pythonItself() : at && join(at, name);
    if (found) await symlink(found, join(folder, name));
  }
  return folder;
}

function pythonItself(): string {
  return execFileSync("python3", ["-c", "import os, sys; print(os.path.realpath(sys.executable))"])
    .toString()
    .trim();
}

async function listening(answer: (said: string) => string): Promise<Server & { port: number }> {
  const server = createServer((socket) => {
    socket.on("data", (chunk) => socket.write(answer(String(chunk))));
    socket.on("error", () => {});
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  onTestFinished(() => void server.close());
  return Object.assign(server, { port: (server.address() as AddressInfo).port });
}

/** Processes whose program or folder lies below `folder`. */
function processesIn(folder: string): string[] {
  return readdirSync("/proc").filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      return ["exe", "cwd"].some((link) => readlinkSync(`/proc/${entry}/${link}`).startsWith(folder));
    } catch {
      return false;
    }
  });
}

/** A port on which nothing listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

describe("offing doctor, on this machine", () => {
  it("tries everything that up and deploy need, exits 0 where it is there, and leaves nothing behind", async () => {
    const { ran, report, of, folder, tmp } = await examine();
    expect(report.checks.map(({ name }) => name)).toEqual(names);
    for (const check of report.checks) {
      expect(Object.keys(check).sort()).toEqual(["fix", "found", "means", "name", "needed", "state"]);
      expect([check.name, check.found === "", check.means === ""]).toEqual([check.name, false, false]);
      if (check.state === "ok") expect([check.fix, check.needed]).toEqual([null, false]);
    }
    // What this suite runs on is there.
    for (const name of ["platform", "node", "git", "python", "uv", "postgresql", "data folder", "port"])
      expect(of(name)).toMatchObject({ state: "ok" });
    expect(of("postgresql").found).toMatch(/PostgreSQL 18\.\d+ starts here/);
    expect(of("python").found).toMatch(/3\.\d+\.\d+ at \/.*serves requires-python up to ">=3\.\d+"/);
    expect(of("isolation").found).toMatch(/bubblewrap|Landlock/);
    expect([report.ok, ran.code]).toEqual([!report.checks.some(({ needed }) => needed), report.ok ? 0 : 1]);
    expect([readdirSync(folder), readdirSync(tmp), processesIn(folder)]).toEqual([["tmp"], [], []]);
  });

  it("works beside a running program and says that it runs, and says when it was killed", async () => {
    await using program = await startProgram();
    const env = { OFFING_DATA: program.dataDir, OFFING_PORT: new URL(program.url).port };
    const beside = await examine(env);
    expect(beside.of("program").found).toContain(`process ${program.pid} runs on ${program.dataDir}`);
    expect(beside.of("port")).toMatchObject({
      state: "ok",
      found: expect.stringContaining("the program that runs"),
    });
    expect(beside.of("postgresql").state).toBe("ok");
    await program.kill();
    expect((await examine(env)).of("program").found).toContain("the last one was killed");
  });
});

describe("offing doctor, on a machine that lacks nearly everything", () => {
  let poor: Awaited<ReturnType<typeof examine>>;
  let port: number;
  let cache: string;
  let holder: Server;
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), "offing-poor-"));
    await writeFile(join(folder, "file"), "");
    cache = join(folder, "cache");
    holder = createServer();
    await new Promise<void>((done) => holder.listen(0, "127.0.0.1", done));
    ({ port } = holder.address() as AddressInfo);
    const closed = await closedPort();
    poor = await examine({
      PATH: await pathWith("setpriv"),
      HOME: "/nowhere",
      PYENV_ROOT: "",
      OFFING_DATA: join(folder, "file", "data"),
      OFFING_CACHE: cache,
      OFFING_PORT: String(port),
      DATABASE_URL: `postgres://someone:a-secret@127.0.0.1:${closed}/offing`,
      VALKEY_URL: `valkeys://:a-secret@127.0.0.1:${closed}`,
      PIP_INDEX_URL: `http://someone:a-secret@127.0.0.1:${closed}/simple`,
    });
  });
  afterAll(() => void holder.close());

  it("exits 1, and marks what up or deploy fails for", () => {
    expect([poor.report.ok, poor.ran.code]).toEqual([false, 1]);
    const needed = poor.report.checks.filter((check) => check.needed).map(({ name }) => name);
    const lacking = "git, python, uv, package index, isolation, postgresql, data folder, port";
    expect(needed.join(", ")).toBe(lacking);
    for (const name of needed) expect(poor.of(name).state).toBe("missing");
  });

  it("names git, ssh and Python where the PATH has none, with the command that gets them", () => {
    expect(poor.of("git").found).toBe("git is not on PATH");
    expect(poor.of("git").fix).toMatch(/^(?:sudo )?(?:apt-get install|dnf install|apk add|install) git/);
    expect(poor.of("ssh")).toMatchObject({ state: "missing", needed: false });
    expect(poor.of("python").found).toContain("python3, which the program's own helpers run on");
  });

  it("says where the package index does not answer, and that uv cannot be fetched from it then", () => {
    expect(poor.of("package index").found).toMatch(/http:\/\/127\.0\.0\.1:\d+\/simple.*ECONNREFUSED/);
    expect(poor.of("uv").found).toContain("does not answer");
    expect(poor.of("uv").fix).toMatch(/^python3 -m pip install uv==/);
  });

  it("says which database and which Valkey cannot be reached", () => {
    expect(poor.of("postgresql").found).toMatch(
      /offing at 127\.0\.0\.1:\d+, which cannot be used: .*ECONNREFUSED/,
    );
    expect(poor.of("valkey").found).toMatch(
      /127\.0\.0\.1:\d+ \(VALKEY_URL\) cannot be reached: .*ECONNREFUSED/,
    );
  });

  it("says who has the port", () => {
    expect(poor.of("port").found).toContain(
      `port ${port} on 127.0.0.1 is in use, by process ${process.pid} (`,
    );
  });

  it("says where the data folder cannot be made", () => {
    expect(poor.of("data folder").found).toContain("ENOTDIR");
  });

  it("installs nothing and shows no secret", () => {
    expect(existsSync(cache)).toBe(false);
    expect(poor.ran.stdout + poor.ran.stderr).not.toContain("a-secret");
  });

  it("for people aligns its lines, says below a lack what it means and how to get it, and ends in a sentence", async () => {
    const ran = await offing(
      {
        ...machine(),
        PATH: await pathWith("ssh"),
        OFFING_PYTHON: "/nowhere/python",
        OFFING_PORT: "0",
        OFFING_DATA: poor.folder,
      },
      "doctor",
    );
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(/^ {2}ok {7}node {14}v24\./m);
    expect(ran.stdout).toMatch(
      /^ {2}missing {2}git {15}git is not on PATH\n {29}every source.*\n {29}→ .*git/m,
    );
    expect(ran.stdout).toMatch(/^ {2}missing {2}postgresql {8}setpriv is not on PATH$/m);
    expect(ran.stdout.trimEnd().split("\n").at(-1)).toMatch(
      /^\.\/offing up or \.\/offing deploy will fail for lack of: git, python.*postgresql/,
    );
  });
});

describe("offing doctor, on a machine that is told where things are", () => {
  it("tries the database and the Valkey, and says of what is not here that it would be fetched", async () => {
    const cache = join(await mkdtemp(join(tmpdir(), "offing-empty-")), "cache");
    const page = await listening(() => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    const keeper = await listening((said) =>
      said.includes("a-secret") ? "+OK\r\n+PONG\r\n" : "-NOAUTH no\r\n",
    );
    const database = await createDatabase();
    const { connectionString, user, password, host } = database.connection;
    const there = await examine({
      OFFING_CACHE: cache,
      PATH: await pathWith("git", "python3", "setpriv", "slirp4netns"),
      PIP_INDEX_URL: `http://127.0.0.1:${page.port}/simple`,
      VALKEY_URL: `redis://:a-secret@127.0.0.1:${keeper.port}`,
      DATABASE_URL:
        connectionString ??
        `postgres://${user}:${encodeURIComponent(String(password))}@/${database.connection.database}?host=${encodeURIComponent(host!)}`,
    });
    expect(there.of("postgresql")).toMatchObject({
      state: "ok",
      found: expect.stringMatching(/^PostgreSQL \d+\.\d+, world_\w+ at .* \(DATABASE_URL\)$/),
    });
    expect(there.of("valkey")).toMatchObject({
      state: "ok",
      found: `127.0.0.1:${keeper.port} (VALKEY_URL)`,
    });
    expect(there.of("package index").state).toBe("ok");
    expect(there.of("uv")).toMatchObject({ state: "limited", needed: false });
    expect(there.of("uv").found).toContain("the first build fetches uv");
    expect(existsSync(cache)).toBe(false);
    expect(there.ran.code).toBe(0);

    const locked = await examine({ VALKEY_URL: `redis://127.0.0.1:${keeper.port}` });
    expect(locked.of("valkey").found).toContain("-NOAUTH");
    await database.drop();
  });
});

describe("offing doctor", () => {
  it("called wrongly exits 2", async () => {
    for (const [args, env] of [
      [["--frob"], {}],
      [[], { OFFING_PORT: "many" }],
    ] as const) {
      const ran = await offing(env, "doctor", ...args);
      expect([ran.code, ran.stdout]).toEqual([2, ""]);
      expect(ran.stderr).toMatch(/^offing doctor: /);
    }
    expect((await offing({}, "doctor", "--help")).stdout).toContain("usage: ./offing doctor [--json]");
  });
});
