import { createHash } from "node:crypto";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { createProxy, type Proxy } from "../../upstream/proxy.ts";
import type { GuardRefused } from "../../upstream/guard.ts";
import { BuildError } from "../build.ts";
import type { ChildResult } from "../child.ts";
import type { StepContext } from "../services.ts";
import { type DeployKey, deployKey } from "./deploy-key.ts";
import { git, networkEnv } from "./git.ts";
import { parseGitUrl, stripUserInfo, type GitAddress } from "./url.ts";
import { type Tag, versionOf } from "./version.ts";

/** An exact commit, in a bare repository on this machine. */
export interface FetchedSource {
  readonly repository: string;
  readonly commit: string;
  /** The full name of the ref, or null when a commit was asked for. */
  readonly ref: string | null;
  /** The version that tags give the commit (PEP 440), or null. */
  readonly version: string | null;
}

const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/**
 * Resolves `ref` at a Git host to a commit, then brings that commit into this
 * organization's mirror of the URL. Throws BuildError of step `source`:
 * `source_invalid`, `source_refused`, `source_not_found`, `source_auth`,
 * `source_unreachable`, `source_too_large`, `source_empty`, `ref_not_found`.
 */
export async function fetchRemote(
  context: StepContext,
  url: string,
  ref: string | null,
): Promise<FetchedSource> {
  const { services, organization } = context;
  const address = parseGitUrl(url, services.guard, organization);
  const key = address.scheme === "ssh" ? await deployKey(context) : undefined;
  let refused: GuardRefused | undefined;
  let tooLarge = false;
  const proxy = await createProxy({
    guard: services.guard,
    organization,
    maxBytes: context.limits.sourceBytes,
    onRefused: (refusal) => (refused = refusal),
    onLimit: () => (tooLarge = true),
  });
  const failure = (result: ChildResult): BuildError => {
    if (refused) {
      return new BuildError("source", "source_refused", refused.message, {
        hint: `Deploy from a public address, or let an admin of the organization allow ${address.host}:${address.port} with --allow-private.`,
        cause: refused,
      });
    }
    if (tooLarge) return tooLargeError(context);
    return explain(result.err, address, key);
  };
  try {
    const remote = new Remote(context, address, proxy, key, failure);
    return await remote.fetch(ref);
  } finally {
    await proxy.close();
  }
}

/** One repository at a host, and its mirror here. */
class Remote {
  readonly #context: StepContext;
  readonly #address: GitAddress;
  readonly #env: Record<string, string>;
  readonly #failure: (result: ChildResult) => BuildError;
  readonly #mirror: string;
  #tags: readonly Tag[] = [];

  constructor(
    context: StepContext,
    address: GitAddress,
    proxy: Proxy,
    key: DeployKey | undefined,
    failure: (result: ChildResult) => BuildError,
  ) {
    this.#context = context;
    this.#address = address;
    this.#env = networkEnv(context, address, proxy, key);
    this.#failure = failure;
    const name = createHash("sha256").update(address.url).digest("hex").slice(0, 32);
    this.#mirror = join(context.services.dataDir, "organizations", context.organization, "mirrors", name);
  }

  async fetch(wanted: string | null): Promise<FetchedSource> {
    const { say } = this.#context;
    await this.#openMirror();
    const found =
      wanted !== null && COMMIT.test(wanted) ? { commit: wanted, ref: null } : await this.#resolve(wanted);
    if (found) {
      say(`${found.ref ?? "commit"} at ${this.#address.url} is ${found.commit}`);
      if (await this.#has(found.commit)) say("this commit is here already");
      else await this.#fetchCommit(found.commit, wanted);
      return { repository: this.#mirror, ...found, version: versionOf(this.#tags, found.commit) };
    }
    // A shortened commit, or one that no ref names: only the whole history can tell.
    const commit = /^[0-9a-f]{7,}$/.test(wanted ?? "") ? await this.#search(wanted ?? "") : undefined;
    if (commit === undefined) throw refNotFound(wanted, this.#address.url);
    say(`${wanted} is ${commit}`);
    return { repository: this.#mirror, commit, ref: null, version: versionOf(this.#tags, commit) };
  }

  /** Asks the host which commit a branch, a tag or HEAD is, without fetching anything. */
  async #resolve(wanted: string | null): Promise<{ commit: string; ref: string | null } | undefined> {
    const names =
      wanted === null || wanted === "HEAD"
        ? ["HEAD"]
        : wanted.startsWith("refs/")
          ? [wanted, `${wanted}^{}`]
          : [`refs/heads/${wanted}`, `refs/tags/${wanted}`, `refs/tags/${wanted}^{}`];
    if (wanted !== null && !validRef(wanted)) throw refNotFound(wanted, this.#address.url);
    const result = await this.#dial([
      "ls-remote",
      "--symref",
      "--",
      this.#address.url,
      ...names,
      "refs/tags/*",
    ]);
    if (result.code !== 0) throw this.#failure(result);
    const commits = new Map<string, string>();
    let head: string | null = null;
    for (const line of result.out.split("\n")) {
      const symbolic = /^ref: (\S+)\tHEAD$/.exec(line);
      if (symbolic) head = symbolic[1] ?? null;
      const [commit, name] = line.split("\t");
      if (commit && name && COMMIT.test(commit)) commits.set(name, commit);
    }
    this.#tags = [...commits].flatMap(([name, commit]) =>
      name.startsWith("refs/tags/") && !name.endsWith("^{}")
        ? [{ name: name.slice("refs/tags/".length), commit: commits.get(`${name}^{}`) ?? commit }]
        : [],
    );
    if (names[0] === "HEAD") {
      const commit = commits.get("HEAD");
      if (commit) return { commit, ref: head };
      throw new BuildError("source", "source_empty", `${this.#address.url} has no commit yet.`, {
        hint: "Push a commit to its default branch, or name a branch with --ref.",
      });
    }
    for (const name of names) {
      // An annotated tag is an object of its own; `^{}` is the commit that it means.
      const commit = commits.get(`${name}^{}`) ?? commits.get(name);
      if (commit) return { commit, ref: name };
    }
    return undefined;
  }

  async #fetchCommit(commit: string, wanted: string | null): Promise<void> {
    const keep = `${commit}:refs/offing/${commit}`;
    const exact = await this.#dial(["fetch", "--no-tags", "--depth=1", "--", this.#address.url, keep]);
    if (exact.code === 0 && (await this.#has(commit))) return;
    this.#context.say("the host does not hand out a single commit; fetching its branches and tags");
    if (!(await this.#fetchAll()) || !(await this.#has(commit)))
      throw refNotFound(wanted ?? commit, this.#address.url);
  }

  async #search(short: string): Promise<string | undefined> {
    if (!(await this.#fetchAll())) return undefined;
    const args = ["rev-parse", "--verify", "--quiet", `${short}^{commit}`];
    const result = await git({ context: this.#context, repository: this.#mirror, quiet: true }, args);
    return result.code === 0 ? result.out.trim() : undefined;
  }

  async #fetchAll(): Promise<boolean> {
    const refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
    const deep = (await this.#isShallow()) ? ["--unshallow"] : [];
    const result = await this.#dial(["fetch", "--no-tags", ...deep, "--", this.#address.url, ...refs]);
    if (result.code !== 0) throw this.#failure(result);
    return true;
  }

  async #isShallow(): Promise<boolean> {
    return (await this.#look(["rev-parse", "--is-shallow-repository"])).out.trim() === "true";
  }

  async #has(commit: string): Promise<boolean> {
    return (await this.#look(["cat-file", "-e", `${commit}^{tree}`])).code === 0;
  }

  #look(args: readonly string[]): Promise<ChildResult> {
    return git({ context: this.#context, repository: this.#mirror, quiet: true }, args);
  }

  #dial(args: readonly string[]): Promise<ChildResult> {
    return git({ context: this.#context, repository: this.#mirror, env: this.#env, quiet: true }, args);
  }

  /** A mirror appears whole or not at all: it is made aside and renamed. */
  async #openMirror(): Promise<void> {
    if (await exists(join(this.#mirror, "HEAD"))) return;
    const fresh = join(this.#context.work, "mirror");
    const made = await git({ context: this.#context, repository: null }, [
      "init",
      "--quiet",
      "--bare",
      "--template=",
      fresh,
    ]);
    if (made.code !== 0) throw new Error(`git init failed: ${made.err}`);
    await mkdir(join(this.#mirror, ".."), { recursive: true });
    await rename(fresh, this.#mirror).catch(async (error: NodeJS.ErrnoException) => {
      // Another build of this repository was faster.
      if (!(await exists(join(this.#mirror, "HEAD")))) throw error;
      await rm(fresh, { recursive: true, force: true });
    });
  }
}

/** git's words, sorted by what the author can do about them. */
function explain(err: string, address: GitAddress, key: DeployKey | undefined): BuildError {
  const said = stripUserInfo(err.trim().split("\n").slice(-4).join("\n"));
  const fail = (code: string, message: string, hint: string): BuildError =>
    new BuildError("source", code, message, { hint, traceback: said || null });
  if (
    /could not read Username|Authentication failed|Permission denied|HTTP (?:401|403)|error: 40[13]/i.test(
      err,
    )
  ) {
    return fail(
      "source_auth",
      `${address.host} wants a sign-in for ${address.url}, or there is no such repository.`,
      key === undefined
        ? "Check the address; a private repository is deployed from its ssh address, with the organization's deploy key."
        : `Check the address, and let this organization's deploy key read the repository: ${key.publicKey}`,
    );
  }
  if (/not found|does not exist|does not appear to be a git repository|error: 404/i.test(err)) {
    return fail("source_not_found", `There is no Git repository at ${address.url}.`, "Check the address.");
  }
  if (/Host key verification failed/i.test(err)) {
    return fail(
      "source_host_key",
      `${address.host} shows another ssh host key than before.`,
      "If the change is right, remove its line from the organization's known_hosts.",
    );
  }
  return fail(
    "source_unreachable",
    `${address.host}:${address.port} could not be reached.`,
    "Check the address, and that this machine may reach it.",
  );
}

function refNotFound(ref: string | null, url: string): BuildError {
  return new BuildError("source", "ref_not_found", `${url} has no branch, tag or commit ${ref ?? "HEAD"}.`, {
    hint: "Name one that is pushed, or leave --ref out for the default branch.",
  });
}

function tooLargeError(context: StepContext): BuildError {
  const mb = Math.round(context.limits.sourceBytes / 1024 ** 2);
  return new BuildError("source", "source_too_large", `The repository is larger than ${mb} MiB.`, {
    hint: "Keep large files out of the repository.",
  });
}

function validRef(ref: string): boolean {
  return ref.length <= 256 && !/^-|\.\.|[\s~^:?*[\\\p{Cc}]|@\{|\.lock$|\/$/u.test(ref);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
