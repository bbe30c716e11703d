import { access, constants, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

type Env = Readonly<Record<string, string | undefined>>;

/** Where packages come from on this machine, as pip was told; uv does not read pip's settings itself. */
export interface Indexes {
  readonly index: string;
  readonly extra: readonly string[];
  /** Folders and addresses that list packages. */
  readonly findLinks: readonly string[];
  /** A file of certificates, or null for uv's own. */
  readonly certificates: string | null;
  /** Hosts whose certificates are not checked, as pip was told. */
  readonly insecureHosts: readonly string[];
}

/** Debian and Ubuntu, Red Hat and Fedora, Alpine and others. */
const SYSTEM_CERTIFICATES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/cert.pem",
];
const PYPI = "https://pypi.org/simple";

/**
 * Reads pip's configuration as pip does (environment, then `PIP_CONFIG_FILE`,
 * user, site; the first that says something wins), and uv's own variables
 * before it.
 */
export async function readIndexes(env: Env): Promise<Indexes> {
  const files = await configFiles(env);
  const value = (name: string): string | undefined => {
    const given = env[`PIP_${name.toUpperCase().replaceAll("-", "_")}`];
    return given !== undefined && given !== ""
      ? given
      : files.map((file) => file.get(name)).find((text) => text !== undefined);
  };
  const words = (name: string): string[] => (value(name) ?? "").split(/\s+/).filter((word) => word !== "");
  // pip trusts what the system trusts, where companies put their own authority; uv has a list of its own.
  const certificates = env["SSL_CERT_FILE"] ?? value("cert") ?? (await systemCertificates());
  return {
    index: env["UV_DEFAULT_INDEX"] ?? env["UV_INDEX_URL"] ?? value("index-url") ?? PYPI,
    extra: env["UV_EXTRA_INDEX_URL"]?.split(/\s+/) ?? words("extra-index-url"),
    findLinks: words("find-links"),
    certificates: certificates !== null && isAbsolute(certificates) ? certificates : null,
    insecureHosts: words("trusted-host"),
  };
}

async function systemCertificates(): Promise<string | null> {
  for (const path of SYSTEM_CERTIFICATES) {
    const there = await access(path, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  return null;
}

/** The hosts that must be reachable as this machine resolves them. */
export function indexHosts(indexes: Indexes): string[] {
  const urls = [
    indexes.index,
    ...indexes.extra,
    ...indexes.findLinks.filter((link) => /^https?:/.test(link)),
  ];
  const hosts = urls.map((url) => new URL(url).hostname);
  // PyPI's files lie on another host than its index.
  return [...new Set(hosts.includes("pypi.org") ? [...hosts, "files.pythonhosted.org"] : hosts)];
}

async function configFiles(env: Env): Promise<Map<string, string>[]> {
  const home = env["HOME"] ?? homedir();
  const config = env["XDG_CONFIG_HOME"] ?? join(home, ".config");
  const paths = [
    env["PIP_CONFIG_FILE"],
    join(config, "pip/pip.conf"),
    join(home, ".pip/pip.conf"),
    "/etc/xdg/pip/pip.conf",
    "/etc/pip.conf",
  ];
  const found: Map<string, string>[] = [];
  for (const path of paths) {
    const text = path === undefined ? undefined : await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined) found.push(parseIni(text));
  }
  return found;
}

/** The `[global]` and `[install]` settings of an INI file; indented lines go on with the value before. */
function parseIni(text: string): Map<string, string> {
  const values = new Map<string, string>();
  let section = "";
  let last: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*[#;]/.test(line) || line.trim() === "") continue;
    const head = /^\[(.+)\]\s*$/.exec(line)?.[1];
    if (head !== undefined) {
      section = head;
      last = undefined;
    } else if (/^\s/.test(line) && last !== undefined) {
      values.set(last, `${values.get(last) ?? ""} ${line.trim()}`.trim());
    } else if (section === "global" || section === "install") {
      const [, name = "", value = ""] = /^([^=:]+)[=:](.*)$/.exec(line) ?? [];
      last = name.trim().toLowerCase().replaceAll("_", "-");
      values.set(last, value.trim());
    }
  }
  return values;
}
