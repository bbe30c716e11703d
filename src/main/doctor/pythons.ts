import { readIndexes } from "../../build/install/indexes.ts";
import { pinnedUv, uvHere } from "../../build/install/tool.ts";
import { runChild } from "../../build/child.ts";
import { interpreters } from "../../build/plan/interpreter.ts";
import { stripUserInfo } from "../../build/source/url.ts";
import { reach } from "../../build/tools/wheel.ts";
import { interpreterAt } from "../../runner/interpreter.ts";
import { fine, lacking, type Machine, type Probe } from "./check.ts";

/** The oldest release that the program's own helpers and the packages of MCP servers run on. */
const OLDEST_MINOR = 10;

const minorOf = (version: string) => Number(version.split(".")[1]);

export const python: Probe = {
  name: "python",
  means: "hosted servers run on it, and so do the helpers that isolate them",
  needed: true,
  withinMs: 20_000,
  async run(machine, signal) {
    const { config, env, packages } = machine;
    const lack = (found: string) => [
      lacking(python, "missing", { found, fix: packages.install("python"), needed: true }),
    ];
    const own = await interpreterAt(config.python).catch(() => undefined);
    if (own === undefined)
      return lack(`${config.python}, which the program's own helpers run on, does not start`);
    const services = { env, cacheDir: config.cacheDir };
    const found = (await interpreters({ services, signal })).filter(
      ({ version }) => minorOf(version) >= OLDEST_MINOR,
    );
    const newest = found[0];
    if (newest === undefined)
      return lack(`no Python 3.${OLDEST_MINOR} or newer; the helpers run on ${own.executable}`);
    const list = found.map(({ version, executable }) => `${version} at ${executable}`).join(", ");
    const minors = [...new Set(found.map(({ version }) => version.split(".").slice(0, 2).join(".")))];
    return [
      fine(
        python,
        `${list}; serves requires-python up to ">=${minors[0]}", and projects that ask for ${minors.join(" or ")} alone`,
      ),
    ];
  },
};

export const uv: Probe = {
  name: "uv",
  means: "installs the packages of hosted servers",
  needed: true,
  withinMs: 15_000,
  async run(machine, signal) {
    const here = await uvHere({ ...toolContext(machine), signal });
    if (here !== undefined) {
      const said = await runChild({ argv: [here, "--version"], cwd: "/", env: {}, signal });
      return [fine(uv, `${said.out.trim()} at ${here}`)];
    }
    const problem = await machine.indexProblem();
    const fix = `python3 -m pip install uv==${pinnedUv.version}`;
    if (problem === null) {
      const found = `not here; the first build fetches uv ${pinnedUv.version} from the package index`;
      return [lacking(uv, "limited", { found, fix, needed: false })];
    }
    const found = `not here, and the package index that it would be fetched from does not answer`;
    return [lacking(uv, "missing", { found, fix, needed: true })];
  },
};

export const downloads: Probe = {
  name: "python downloads",
  means: "a project that asks for a Python that is not here gets it from uv",
  needed: false,
  withinMs: 15_000,
  async run(machine, signal) {
    const lack = (found: string) => [
      lacking(downloads, "missing", {
        found,
        fix: "install the Python that a project asks for, or let this machine reach that host",
        needed: false,
      }),
    ];
    const program = await uvHere({ ...toolContext(machine), signal });
    if (program === undefined)
      return [
        lacking(downloads, "limited", {
          found: "not known before uv is here",
          fix: `python3 -m pip install uv==${pinnedUv.version}, and run ./offing doctor again`,
          needed: false,
        }),
      ];
    const argv = [program, "python", "list", "--only-downloads", "--output-format", "json"];
    const listed = await runChild({ argv, cwd: "/", env: { UV_NO_CONFIG: "1", UV_NO_CACHE: "1" }, signal });
    const offered = (JSON.parse(listed.out) as Download[]).filter(
      ({ implementation, variant, version }) =>
        implementation === "cpython" && variant === "default" && /^3\.\d+\.\d+$/.test(version),
    );
    const newest = offered[0];
    if (newest === undefined) return lack("uv offers none for this platform");
    const minors = [...new Set(offered.map(({ version }) => minorOf(version)))].filter(
      (minor) => minor >= OLDEST_MINOR,
    );
    const { host } = new URL(newest.url);
    const certificates = machine.env["SSL_CERT_FILE"] ?? null;
    try {
      await reach(new URL(newest.url), certificates, signal);
    } catch (error) {
      signal.throwIfAborted();
      return lack(`${host} does not give any: ${(error as Error).message}`);
    }
    return [fine(downloads, `3.${Math.min(...minors)} to 3.${Math.max(...minors)} from ${host}`)];
  },
};

interface Download {
  readonly version: string;
  readonly url: string;
  readonly implementation: string;
  readonly variant: string;
}

export const index: Probe = {
  name: "package index",
  means: "packages, and the tools that are not here, come from it",
  needed: true,
  withinMs: 15_000,
  async run(machine) {
    const indexes = await readIndexes(machine.env);
    const all = [indexes.index, ...indexes.extra, ...indexes.findLinks].map(stripUserInfo).join(", ");
    const problem = await machine.indexProblem();
    if (problem === null) return [fine(index, `${all}, as pip is told on this machine`)];
    return [
      lacking(index, "missing", {
        found: `${all}: ${stripUserInfo(problem)}`,
        fix: "python3 -m pip config set global.index-url https://INDEX/simple",
        needed: true,
      }),
    ];
  },
};

function toolContext({ config, env }: Machine) {
  return { cacheDir: config.cacheDir, env, say: () => {} };
}
