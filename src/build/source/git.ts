import { fileURLToPath } from "node:url";
import { shellWord } from "../../lib/shell.ts";
import type { Proxy } from "../../upstream/proxy.ts";
import { runChild, type ChildResult } from "../child.ts";
import type { StepContext } from "../services.ts";
import type { DeployKey } from "./deploy-key.ts";
import { stripUserInfo, type GitAddress } from "./url.ts";

export interface GitCall {
  readonly context: StepContext;
  /** The bare repository, or null for a command that needs none. */
  readonly repository: string | null;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** How `out` is decoded: `latin1` where names of files must stay apart byte for byte. */
  readonly encoding?: "utf8" | "latin1";
  /** Whether what git says about its progress goes to the log. */
  readonly quiet?: boolean;
}

/** Everything that could make git run a program or ask a question, turned off. */
const SAFE = [
  "-c",
  "core.hooksPath=/dev/null",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "credential.helper=",
  "-c",
  "gc.auto=0",
  "-c",
  "maintenance.auto=false",
  "-c",
  "submodule.recurse=false",
  "-c",
  "fetch.recurseSubmodules=false",
  "-c",
  "protocol.allow=never",
  "-c",
  "protocol.https.allow=always",
  "-c",
  "protocol.http.allow=always",
  "-c",
  "protocol.ssh.allow=always",
  "-c",
  "protocol.version=2",
  "-c",
  "http.lowSpeedLimit=1000",
  "-c",
  "http.lowSpeedTime=60",
];

/** Runs git without the machine's own settings, hooks or prompts. */
export function git(
  call: GitCall,
  args: readonly string[],
  extra: readonly string[] = [],
): Promise<ChildResult> {
  const { context } = call;
  const where = call.repository === null ? [] : [`--git-dir=${call.repository}`];
  return runChild({
    argv: ["git", ...SAFE, ...extra, ...where, ...args],
    cwd: context.work,
    env: { ...baseEnv(context), ...call.env },
    signal: context.signal,
    ...(call.input === undefined ? {} : { input: call.input }),
    ...(call.encoding === undefined ? {} : { encoding: call.encoding }),
    onLine(stream, text) {
      if (!call.quiet && stream === "err" && text.trim() !== "") context.say(stripUserInfo(text), "err");
    },
  });
}

/** The environment of a git that dials: through the proxy, with the address's own secret where it has one. */
export function networkEnv(
  context: StepContext,
  address: GitAddress,
  proxy: Proxy,
  key: DeployKey | undefined,
): Record<string, string> {
  if (key !== undefined) {
    return { GIT_SSH_COMMAND: sshCommand(context, address, proxy, key), GIT_SSH_VARIANT: "ssh" };
  }
  const env: Record<string, string> = {
    http_proxy: proxy.url,
    https_proxy: proxy.url,
    GIT_HTTP_PROXY_AUTHMETHOD: "basic",
  };
  if (address.credentials !== null) {
    // In the environment, not in argv, which every user of the machine can read.
    const origin = new URL(address.url).origin;
    env["GIT_CONFIG_COUNT"] = "1";
    env["GIT_CONFIG_KEY_0"] = `http.${origin}/.extraHeader`;
    env["GIT_CONFIG_VALUE_0"] = `Authorization: Basic ${Buffer.from(address.credentials).toString("base64")}`;
  }
  return env;
}

function baseEnv(context: StepContext): Record<string, string> {
  const { env } = context.services;
  const certificates = env["GIT_SSL_CAINFO"] ?? env["SSL_CERT_FILE"];
  return {
    PATH: env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: context.work,
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "",
    SSH_ASKPASS: "",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_LFS_SKIP_SMUDGE: "1",
    ...(certificates === undefined ? {} : { GIT_SSL_CAINFO: certificates }),
  };
}

/** ssh through our proxy: it never resolves a name itself, so there is nothing to pin. */
export function sshCommand(context: StepContext, address: GitAddress, proxy: Proxy, key: DeployKey): string {
  const program = fileURLToPath(new URL("../../upstream/connect.ts", import.meta.url));
  const known = `${context.services.dataDir}/organizations/${context.organization}/known_hosts`;
  const connect = [process.execPath, program, proxy.socket, address.host, String(address.port)];
  const options = [
    "BatchMode=yes",
    "StrictHostKeyChecking=accept-new",
    `UserKnownHostsFile=${sshWord(known)}`,
    "GlobalKnownHostsFile=/dev/null",
    "PasswordAuthentication=no",
    "ForwardAgent=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    // ssh hands this to a shell, and expands %; the words are quoted for both.
    `ProxyCommand=${connect.map((word) => shellWord(word.replaceAll("%", "%%"))).join(" ")}`,
    "IdentitiesOnly=yes",
    `IdentityFile=${sshWord(key.path)}`,
  ];
  return ["ssh", "-F", "/dev/null", ...options.flatMap((option) => ["-o", option])].map(shellWord).join(" ");
}

/** One word for ssh_config(5), which splits at spaces and fills in %. */
function sshWord(path: string): string {
  return `"${path.replaceAll("%", "%%")}"`;
}
