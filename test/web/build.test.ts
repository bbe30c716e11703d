import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLog } from "../../src/lib/log.ts";
import { processStart } from "../../src/lib/process.ts";
import { openWeb } from "../../src/main/web.ts";

const repository = join(import.meta.dirname, "../..");

/** A checkout with a page of one line, built by the real Vite; `runs` counts the builds. */
function checkout(plugin = "") {
  const root = mkdtempSync(join(tmpdir(), "offing-checkout-"));
  const write = (path: string, text: string) => {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
  write("package-lock.json", "{}");
  write("package.json", '{"type":"module"}');
  for (const folder of ["contract", "policy", "lib"]) write(`src/${folder}/a.ts`, "export const a = 1;\n");
  write("web/index.html", '<!doctype html><script type="module" src="./main.ts"></script>\n');
  write("web/main.ts", 'document.title = "one";\n');
  write(
    "web/vite.config.ts",
    `import { appendFileSync, writeFileSync } from "node:fs";
export default {
  root: import.meta.dirname,
  plugins: [{
    name: "count",
    async buildStart() {
      appendFileSync(${JSON.stringify(join(root, "runs"))}, "x");
      ${plugin}
    },
  }],
};\n`,
  );
  const logged: string[] = [];
  const said: string[] = [];
  return {
    root,
    write,
    logged,
    said,
    cacheDir: join(root, "cache"),
    runs: () => (existsSync(join(root, "runs")) ? readFileSync(join(root, "runs"), "utf8").length : 0),
    /** What the build left: finished ones, and anything half done. */
    dist: () => readdirSync(join(root, "web/dist")),
    open: () =>
      openWeb({
        root,
        cacheDir: join(root, "cache"),
        log: createLog((line) => void logged.push(line)),
        say: (text) => void said.push(text),
      }),
  };
}

const hangs = (root: string) => `writeFileSync(${JSON.stringify(root)}, String(process.pid));
      await new Promise((resolve) => setInterval(() => {}, 1000));`;

async function scripts(web: Awaited<ReturnType<typeof openWeb>>): Promise<string> {
  return [...web.files()!.values()].map(({ body }) => body.toString()).join("\n");
}

describe("the pages are built when they are stale", () => {
  it("at the first start; the next one finds them", async () => {
    const here = checkout();
    const web = await here.open();
    expect(web.files()).toBeUndefined();
    expect(web.missing()).toMatchObject({ soon: true });
    await web.refresh();
    expect(await scripts(web)).toContain("one");
    const next = await here.open();
    expect(await scripts(next)).toContain("one");
    await next.refresh();
    expect(here.runs()).toBe(1);
  });

  it.each(["web/main.ts", "web/new/style.css", "src/contract/a.ts", "src/policy/a.ts", "package-lock.json"])(
    "again after a change of %s",
    async (path) => {
      const here = checkout();
      await (await here.open()).refresh();
      here.write(path, '/* "two" */ export {};\n');
      const web = await here.open();
      expect(web.files()).toBeUndefined();
      await web.refresh();
      expect([here.runs(), web.files() !== undefined]).toEqual([2, true]);
    },
  );

  it("and not after a change of anything else", async () => {
    const here = checkout();
    await (await here.open()).refresh();
    here.write("src/domain/a.ts", "export {};\n");
    here.write("README.md", "Words.\n");
    expect((await here.open()).files()).toBeDefined();
  });

  it("once, by however many programs that start together", async () => {
    const here = checkout();
    const webs = await Promise.all([here.open(), here.open(), here.open()]);
    await Promise.all(webs.map((web) => web.refresh()));
    for (const web of webs) expect(await scripts(web)).toContain("one");
    expect(here.runs()).toBe(1);
  });

  it("also when a program was killed in the middle of building them", async () => {
    const here = checkout();
    here.write("web/dist/.lock", JSON.stringify({ pid: 999_999_999, start: "1" }));
    here.write("web/dist/.half-left/index.html", "half");
    const web = await here.open();
    await web.refresh();
    expect(await scripts(web)).toContain("one");
    expect(here.dist().filter((name) => name.startsWith("."))).toEqual([]);
  });

  it.each(["{", "null", "{}", '{"pid":"1"}', "[1,2]", "\0\0"])(
    "also after a lock that holds %j",
    async (text) => {
      const here = checkout();
      here.write("web/dist/.lock", text);
      const web = await here.open();
      await web.refresh();
      expect(here.logged).toEqual([]);
      expect(await scripts(web)).toContain("one");
    },
  );

  it("leaving alone what another program that lives has under way", async () => {
    const here = checkout();
    const theirs = `.half-${process.ppid}-${processStart(process.ppid)}-abcdefgh`;
    here.write(`web/dist/${theirs}/index.html`, "half");
    here.write("web/dist/.half-999999999-1-abcdefgh/index.html", "half");
    await (await here.open()).refresh();
    expect(here.dist().filter((name) => name.startsWith("."))).toEqual([theirs]);
  });

  it("in the cache folder where the checkout cannot be written, and says so", async () => {
    const here = checkout();
    // A file system that takes no file from anybody, root included.
    symlinkSync("/sys/kernel", join(here.root, "web/dist"));
    const web = await here.open();
    await web.refresh();
    expect(await scripts(web)).toContain("one");
    expect(here.said.join("\n")).toContain(join(here.cacheDir, "web"));
    expect(await scripts(await here.open())).toContain("one");
    expect(here.runs()).toBe(1);
  });

  it("keeping few of the older ones", async () => {
    const here = checkout();
    for (let round = 0; round < 5; round++) {
      here.write("web/main.ts", `document.title = "${round}";\n`);
      await (await here.open()).refresh();
    }
    expect(here.dist()).toHaveLength(3);
  });
});

describe("a build that fails", () => {
  it("is logged with what it printed last and what to do, and leaves nothing behind", async () => {
    const here = checkout();
    here.write("web/main.ts", 'import "./absent.ts";\n');
    const web = await here.open();
    await web.refresh();
    expect(web.files()).toBeUndefined();
    expect(web.missing().soon).toBe(false);
    const [line] = here.logged.map((text) => JSON.parse(text));
    expect(line.level).toBe("error");
    expect(line.message).toContain("every endpoint work");
    expect(line.output.join("\n")).toContain("./absent.ts");
    expect(line.next).toContain("./offing up");
    expect(here.dist()).toEqual([]);
  });

  it("is tried again at the next start", async () => {
    const here = checkout();
    here.write("web/main.ts", 'import "./absent.ts";\n');
    await (await here.open()).refresh();
    here.write("web/absent.ts", 'document.title = "mended";\n');
    const web = await here.open();
    await web.refresh();
    expect(await scripts(web)).toContain("mended");
  });
});

describe("a build under way", () => {
  /** The process of a build that hangs, once it runs. */
  const started = async (pidFile: string) => {
    const text = () => (existsSync(pidFile) ? readFileSync(pidFile, "utf8") : "");
    await expect.poll(text, { timeout: 20_000 }).toMatch(/^\d+$/);
    const pid = Number(text());
    return { pid, start: processStart(pid) };
  };
  const isGone = ({ pid, start }: { pid: number; start: string | undefined }) =>
    processStart(pid) !== start || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));

  it("ends with its program's stop", async () => {
    const pidFile = join(mkdtempSync(join(tmpdir(), "offing-pid-")), "pid");
    const here = checkout(hangs(pidFile));
    const web = await here.open();
    const building = web.refresh();
    const vite = await started(pidFile);
    await web.close();
    await building;
    expect(isGone(vite)).toBe(true);
    expect([here.dist(), here.logged]).toEqual([[], []]);
  });

  it("gives back its own lock and no other's", async () => {
    const pidFile = join(mkdtempSync(join(tmpdir(), "offing-pid-")), "pid");
    const here = checkout(hangs(pidFile));
    const web = await here.open();
    const building = web.refresh();
    await started(pidFile);
    here.write("web/dist/.lock", JSON.stringify({ pid: 1, start: processStart(1) }));
    await web.close();
    await building;
    expect(here.dist()).toEqual([".lock"]);
  });

  it("ends when its program is killed", async () => {
    const pidFile = join(mkdtempSync(join(tmpdir(), "offing-pid-")), "pid");
    const here = checkout(hangs(pidFile));
    const script = join(here.root, "program.ts");
    writeFileSync(
      script,
      `import { openWeb } from ${JSON.stringify(join(repository, "src/main/web.ts"))};
const web = await openWeb({ root: ${JSON.stringify(here.root)}, cacheDir: "/nowhere", log: console, say() {} });
await web.refresh();\n`,
    );
    const program = spawn(process.execPath, [script], { stdio: "ignore" });
    const vite = await started(pidFile);
    program.kill("SIGKILL");
    await expect.poll(() => isGone(vite), { timeout: 20_000 }).toBe(true);
    // And the next program builds what that one could not.
    rmSync(join(here.root, "web/vite.config.ts"));
    here.write("web/vite.config.ts", "export default { root: import.meta.dirname };\n");
    const web = await here.open();
    await web.refresh();
    expect(await scripts(web)).toContain("one");
  });

  it("has the lowest priority", async () => {
    const pidFile = join(mkdtempSync(join(tmpdir(), "offing-pid-")), "pid");
    const here = checkout(hangs(pidFile));
    const web = await here.open();
    const building = web.refresh();
    const vite = await started(pidFile);
    expect(getPriority(vite.pid)).toBe(19);
    await web.close();
    await building;
  });
});
