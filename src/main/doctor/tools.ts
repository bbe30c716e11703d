import { cpus, release, totalmem } from "node:os";
import { runChild } from "../../build/child.ts";
import { type Check, fine, lacking, type Machine, type Probe } from "./check.ts";

const gibibytes = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

export const platform: Probe = {
  name: "platform",
  means: "Offing runs on Linux x64 and arm64",
  needed: true,
  withinMs: 1000,
  async run({ packages }) {
    const found = `${packages.system}, Linux ${release()}, ${process.arch}, ${cpus().length} CPUs, ${gibibytes(totalmem())} of memory`;
    const runs = process.platform === "linux" && ["x64", "arm64"].includes(process.arch);
    return [runs ? fine(platform, found) : lacking(platform, "missing", { found, fix: null, needed: true })];
  },
};

export const node: Probe = {
  name: "node",
  means: "Node 24 runs the program; ./offing brings its own",
  needed: true,
  withinMs: 1000,
  async run() {
    const found = `${process.version} at ${process.execPath}`;
    if (Number(process.versions.node.split(".")[0]) >= 24) return [fine(node, found)];
    return [
      lacking(node, "missing", { found, fix: "start it with ./offing, which brings Node 24", needed: true }),
    ];
  },
};

export const git: Probe = {
  name: "git",
  means: "every source, a folder's too, is read with git",
  needed: true,
  withinMs: 10_000,
  async run(machine, signal) {
    const said = await tell(machine, ["git", "--version"], signal);
    if (typeof said !== "string") return [fine(git, said.text)];
    return [lacking(git, "missing", { found: said, fix: machine.packages.install("git"), needed: true })];
  },
};

export const ssh: Probe = {
  name: "ssh",
  means: "private repositories are read over ssh, each organization with a deploy key of its own",
  needed: false,
  withinMs: 10_000,
  async run(machine, signal) {
    const client = await tell(machine, ["ssh", "-V"], signal);
    // Without arguments it would ask for a file; one that is not there makes it answer at once.
    const keygen = await tell(machine, ["ssh-keygen", "-l", "-f", "/dev/null"], signal, [0, 1, 255]);
    if (typeof client === "string") return [lackOfSsh(machine, client)];
    if (typeof keygen === "string") return [lackOfSsh(machine, keygen)];
    return [fine(ssh, client.text)];
  },
};

function lackOfSsh({ packages }: Machine, found: string): Check {
  // One that is there and does not run is not mended by installing it.
  const fix = found.endsWith("is not on PATH") ? packages.install("ssh") : null;
  return lacking(ssh, "missing", { found, fix, needed: false });
}

/** The first line that a program says, or in a sentence why it does not run. */
export async function tell(
  { env }: Pick<Machine, "env">,
  argv: readonly [string, ...string[]],
  signal: AbortSignal,
  codes: readonly number[] = [0],
): Promise<{ readonly text: string } | string> {
  try {
    const given = { PATH: env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" };
    const { code, out, err } = await runChild({ argv, cwd: "/", env: given, signal });
    const text = `${out}${err}`.trim().split("\n")[0] ?? "";
    return codes.includes(code) ? { text } : `${argv[0]} ended with code ${code}: ${text}`;
  } catch (error) {
    signal.throwIfAborted();
    const gone = (error as NodeJS.ErrnoException).code === "ENOENT";
    return gone ? `${argv[0]} is not on PATH` : `${argv[0]} does not start: ${(error as Error).message}`;
  }
}
