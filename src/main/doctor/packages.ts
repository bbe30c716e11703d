import { readFileSync } from "node:fs";

/** What the system's package manager calls things, and how it is told to install them. */
export interface Packages {
  /** `Debian GNU/Linux 12 (bookworm)`, as os-release(5) says it. */
  readonly system: string;
  /** The command that installs a program. */
  install(program: keyof typeof names): string;
}

type Family = "debian" | "fedora" | "alpine";

const names = {
  git: { debian: "git", fedora: "git", alpine: "git" },
  ssh: { debian: "openssh-client", fedora: "openssh-clients", alpine: "openssh-client" },
  python: { debian: "python3", fedora: "python3", alpine: "python3" },
  bubblewrap: { debian: "bubblewrap", fedora: "bubblewrap", alpine: "bubblewrap" },
  slirp4netns: { debian: "slirp4netns", fedora: "slirp4netns", alpine: "slirp4netns" },
  setpriv: { debian: "util-linux", fedora: "util-linux", alpine: "setpriv" },
  valkey: { debian: "redis-server", fedora: "valkey", alpine: "valkey" },
  chromium: { debian: "chromium", fedora: "chromium", alpine: "chromium" },
} as const;

const commands: Record<Family, string> = {
  debian: "apt-get install",
  fedora: "dnf install",
  alpine: "apk add",
};

/** Reads os-release(5); a system of no known family gets words instead of a command. */
export function readPackages(root: boolean): Packages {
  const release = osRelease();
  const like = [release.get("ID"), ...(release.get("ID_LIKE") ?? "").split(" ")];
  const family = like.map(familyOf).find((found) => found !== undefined);
  return {
    system: release.get("PRETTY_NAME") ?? "a system without /etc/os-release",
    install(program) {
      if (family === undefined) return `install ${names[program].debian} with the system's package manager`;
      return `${root ? "" : "sudo "}${commands[family]} ${names[program][family]}`;
    },
  };
}

function familyOf(id: string | undefined): Family | undefined {
  if (id === "debian" || id === "ubuntu") return "debian";
  if (id === "fedora" || id === "rhel" || id === "centos") return "fedora";
  return id === "alpine" ? "alpine" : undefined;
}

function osRelease(): Map<string, string> {
  let text = "";
  try {
    text = readFileSync("/etc/os-release", "utf8");
  } catch {
    // A system that does not say what it is.
  }
  return new Map(
    text
      .split("\n")
      .map((line) => /^(\w+)=["']?(.*?)["']?$/.exec(line))
      .filter((match) => match !== null)
      .map((match) => [match[1]!, match[2]!]),
  );
}
