import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pythonFolder, type Interpreter } from "../interpreter.ts";
import { rlimits, type Cell, type Plan } from "./cell.ts";

/** Files below /etc that libraries read; none names the platform or its users. */
const ETC = [
  "ssl",
  "ca-certificates",
  "pki",
  "alternatives",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "localtime",
  "mime.types",
  "services",
  "protocols",
];

/** A descriptor of bwrap's own, closed before the program runs. */
export const INFO_FD = 4;

export interface BwrapOptions {
  readonly bwrap: string;
  /** The platform's own interpreter, which runs `confine.py`. */
  readonly python: Interpreter;
  readonly root: boolean;
  readonly seccomp: string;
  /** No control group bounds memory: RLIMIT_DATA does. */
  readonly dataLimit: boolean;
}

/** The command line of a cell in namespaces of its own, for `launch.py` to become. */
export async function bwrapPlan(cell: Cell, options: BwrapOptions): Promise<Plan> {
  const etc = join(cell.folder, "etc");
  const uid = cell.uid ?? 1000;
  await mkdir(etc, { recursive: true });
  await Promise.all([
    writeFile(join(etc, "passwd"), `server:x:${uid}:${uid}:server:/tmp/home:/bin/false\n`),
    writeFile(join(etc, "group"), `server:x:${uid}:\n`),
    writeFile(join(etc, "hosts"), "127.0.0.1 localhost\n::1 localhost\n"),
    writeFile(join(etc, "nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\n"),
    // slirp4netns answers there, with the machine's own resolver behind it.
    writeFile(join(etc, "resolv.conf"), cell.network === "filtered" ? "nameserver 10.0.2.3\n" : ""),
  ]);
  const made = new Set<string>(["/"]);
  /** bwrap makes missing parents with mode 0700, which the uid of the cell could not pass. */
  const parents = (path: string): string[] => {
    const args: string[] = [];
    const missing: string[] = [];
    for (let at = dirname(path); !made.has(at); at = dirname(at)) missing.unshift(at);
    for (const folder of missing) {
      made.add(folder);
      args.push("--dir", folder, "--chmod", "0755", folder);
    }
    return args;
  };
  const args = [options.bwrap, "--die-with-parent", "--new-session", "--clearenv", "--hostname", "server"];
  args.push("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try");
  if (options.root) {
    // As root a user namespace would keep kernel uid 0 inside: confine.py changes the uid instead.
    for (const name of ["SETUID", "SETGID", "SETPCAP"]) args.push("--cap-add", `CAP_${name}`);
  } else {
    args.push("--unshare-user", "--uid", "1000", "--gid", "1000");
  }
  args.push("--ro-bind", "/usr", "/usr");
  for (const name of ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]) {
    if (!existsSync(name)) continue;
    if (lstatSync(name).isSymbolicLink()) args.push("--symlink", readlinkSync(name), name);
    else args.push("--ro-bind", name, name);
  }
  args.push("--dir", "/etc", "--chmod", "0755", "/etc");
  for (const name of ETC) args.push("--ro-bind-try", `/etc/${name}`, `/etc/${name}`);
  for (const name of ["passwd", "group", "hosts", "nsswitch.conf", "resolv.conf"]) {
    args.push("--ro-bind", join(etc, name), `/etc/${name}`);
  }
  const size = String(cell.limits.tmpBytes);
  args.push("--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", size, "--tmpfs", "/dev/shm");
  args.push("--perms", "1777", "--size", size, "--tmpfs", "/tmp");
  for (const own of ["/usr", "/etc", "/proc", "/dev", "/tmp", "/offing"]) made.add(own);
  args.push("--ro-bind", pythonFolder, "/offing");
  const interpreters = new Set([...cell.interpreters, ...options.python.folders]);
  for (const folder of interpreters) {
    if (folder === "/usr" || folder.startsWith("/usr/")) continue;
    args.push(...parents(folder), "--ro-bind", folder, folder);
  }
  for (const mount of cell.mounts) {
    args.push(...parents(mount.target), mount.writable ? "--bind" : "--ro-bind", mount.source, mount.target);
  }
  args.push("--remount-ro", "/", "--chdir", "/");
  args.push("--info-fd", String(INFO_FD));
  args.push("--", options.python.executable, "-I", "-S", "/offing/confine.py");
  const writable = cell.mounts.filter((mount) => mount.writable).map((mount) => mount.target);
  return {
    argv: args,
    confinement: {
      uid: cell.uid,
      dieWith: null,
      rlimits: rlimits(cell.limits, options.dataLimit),
      landlock: { read: ["/"], write: ["/tmp", "/dev", "/proc", ...writable], tcp: true },
      seccomp: options.seccomp,
      cwd: cell.cwd,
      argv: cell.argv,
      env: cell.env,
    },
  };
}
