import { canonicalHost, type Guard } from "../../upstream/guard.ts";
import { BuildError } from "../build.ts";

/** Where a Git repository is, with its secrets apart. */
export interface GitAddress {
  readonly scheme: "https" | "http" | "ssh";
  readonly host: string;
  readonly port: number;
  /** For people and for git: no user information, except ssh's user name. */
  readonly url: string;
  /** `user:password` of an http(s) URL, percent-decoded, or null. */
  readonly credentials: string | null;
}

const PORTS = { https: 443, http: 80, ssh: 22 } as const;

/**
 * Reads `https://…`, `ssh://…` and `user@host:path`. Plain http passes only to
 * a host and port on the organization's allow-list. Throws BuildError
 * `source_invalid` or `source_refused`.
 */
export function parseGitUrl(text: string, guard: Guard, organization: string): GitAddress {
  const short = /^(?:([\w.-]+)@)?([\w.-]+):(?!\/\/|:)(.+)$/.exec(text);
  const full = short ? `ssh://${short[1] ?? "git"}@${short[2]}/${(short[3] ?? "").replace(/^\//, "")}` : text;
  let url: URL;
  try {
    url = new URL(full);
  } catch {
    throw invalid(`${stripUserInfo(text)} is not a URL`);
  }
  const scheme = url.protocol.slice(0, -1);
  if (scheme === "file" || scheme === "git" || !Object.hasOwn(PORTS, scheme)) {
    throw invalid(`${scheme}:// is not opened by the server; it opens https and ssh`);
  }
  const known = scheme as keyof typeof PORTS;
  const host = canonicalHost(url.hostname);
  // An option in disguise (`ssh://-oProxyCommand=…`) is refused with every other name that cannot be one.
  if (!host || host.startsWith("-") || /^-|[^\w.@+~-]/.test(decoded(url.username, text))) {
    throw invalid(`${stripUserInfo(text)} names no host that can be dialled`);
  }
  const port = Number(url.port) || PORTS[known];
  if (known === "http" && !guard.allows(organization, host, port)) {
    throw new BuildError(
      "source",
      "source_refused",
      `http://${host}:${port} is not encrypted and not on the allow-list.`,
      {
        hint: `Use https or ssh, or let an admin of the organization allow ${host}:${port} with --allow-private.`,
      },
    );
  }
  const secret = known !== "ssh" && (url.username !== "" || url.password !== "");
  const credentials = secret ? `${decoded(url.username, text)}:${decoded(url.password, text)}` : null;
  if (known !== "ssh") url.username = "";
  url.password = "";
  url.hash = "";
  return { scheme: known, host, port, url: url.href, credentials };
}

/** Takes `user:password@` out of every URL in a line. Linear in its length: lines come from anybody. */
export function stripUserInfo(line: string): string {
  return line.replace(/:\/\/[^/\s]*@/g, "://");
}

function decoded(part: string, whole: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid(
      `${stripUserInfo(whole)} has a % in its sign-in that stands for no character; write it as %25`,
    );
  }
}

function invalid(what: string): BuildError {
  return new BuildError("source", "source_invalid", `${what}.`, {
    hint: "Give an https:// or ssh:// address of a Git repository; a folder or file:// is uploaded by the offing command.",
  });
}
