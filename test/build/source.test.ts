import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bundleFolder } from "../../src/cli/bundle.ts";
import type { StepContext } from "../../src/build/services.ts";
import { sshCommand } from "../../src/build/source/git.ts";
import { parseGitUrl } from "../../src/build/source/url.ts";
import { createProxy } from "../../src/upstream/proxy.ts";
import { commit, gitIn, repository, writeFiles } from "../fixtures/repositories.ts";
import { type GitHost, gitHost } from "../fixtures/git-host.ts";
import { buildWorld, type BuildWorld, type Outcome } from "./world.ts";

// A syntax error ends a build right after its source was read, so these builds stop at the plan.
const files = { "main.py": "def broken(:\n", "notes.txt": "hello\n" };

let world: BuildWorld;
let host: GitHost;
beforeAll(async () => {
  world = await buildWorld();
  host = await gitHost();
  world.allow.push({ host: "127.0.0.1", port: host.port });
});
afterAll(async () => {
  await world.close();
  await host.close();
});

const git = (name: string, ref: string | null = null): Promise<Outcome> =>
  world.run({ kind: "git", url: `${host.url}/${name}.git`, ref });
const resolved = (outcome: Outcome): unknown => outcome.events.find((event) => event.type === "resolved");

it("resolves the default branch, a branch, an annotated tag and a commit, whole or shortened, to an exact commit", async () => {
  const made = await repository("refs", files);
  host.add("refs", made.path);
  await gitIn(made.path, "tag", "--annotate", "v1", "--message", "one");
  await gitIn(made.path, "switch", "--quiet", "--create", "feature/x");
  const second = await commit(made.path, { "notes.txt": "changed\n" }, "Change the notes");
  await gitIn(made.path, "switch", "--quiet", "main");
  expect(resolved(await git("refs"))).toMatchObject({
    commit: made.commit,
    ref: "refs/heads/main",
    subject: "Add refs",
  });
  expect(resolved(await git("refs", "feature/x"))).toMatchObject({
    commit: second,
    ref: "refs/heads/feature/x",
    subject: "Change the notes",
  });
  expect(resolved(await git("refs", "v1"))).toMatchObject({ commit: made.commit, ref: "refs/tags/v1" });
  expect(resolved(await git("refs", second))).toMatchObject({ commit: second, ref: null });
  expect(resolved(await git("refs", second.slice(0, 10)))).toMatchObject({ commit: second, ref: null });
});

it("fetches nothing for a commit that is here already", async () => {
  const made = await repository("again", files);
  host.add("again", made.path);
  await git("again");
  const before = host.requests.length;
  const outcome = await git("again");
  expect(outcome.lines).toContain("this commit is here already");
  expect(host.requests.slice(before).filter((line) => line.startsWith("POST")).length).toBe(1);
});

it.each([
  ["no such repository", () => git("nowhere"), "source_not_found"],
  ["a ref that is an option in disguise", () => git("again", "--upload-pack=touch /tmp/x"), "ref_not_found"],
  ["file://", () => world.run({ kind: "git", url: "file:///etc", ref: null }), "source_invalid"],
  ["ext::", () => world.run({ kind: "git", url: "ext::sh -c touch% /tmp/x", ref: null }), "source_invalid"],
  [
    "an ssh host that is an option",
    () => world.run({ kind: "git", url: "ssh://-oProxyCommand=touch/x", ref: null }),
    "source_invalid",
  ],
  [
    "a sign-in with a % that stands for nothing",
    () => world.run({ kind: "git", url: "https://me:100%@example.com/x.git", ref: null }),
    "source_invalid",
  ],
  [
    "a scheme that is a word of JavaScript's",
    () => world.run({ kind: "git", url: "constructor://example.com/x.git", ref: null }),
    "source_invalid",
  ],
  [
    "plain http to a host that is not allowed",
    () => world.run({ kind: "git", url: "http://127.0.0.1:9/x.git", ref: null }),
    "source_refused",
  ],
  [
    "https to this machine",
    () => world.run({ kind: "git", url: "https://localhost:9/x.git", ref: null }),
    "source_refused",
  ],
  [
    "ssh to this machine",
    () => world.run({ kind: "git", url: "git@127.1:x.git", ref: null }),
    "source_refused",
  ],
  [
    "a metadata service",
    () => world.run({ kind: "git", url: "https://169.254.169.254/x.git", ref: null }),
    "source_refused",
  ],
])("names what is wrong with %s", async (_what, attempt, code) => {
  const { error } = await attempt();
  expect(error).toMatchObject({ step: "source", code });
});

it("signs in with the URL's own token, and tells it nowhere", async () => {
  const locked = await gitHost({ token: "tok-5e1f" });
  world.allow.push({ host: "127.0.0.1", port: locked.port });
  const made = await repository("private", files);
  locked.add("private", made.path);
  const url = (user: string): string => `http://${user}127.0.0.1:${locked.port}/private.git`;
  const refused = await world.run({ kind: "git", url: url(""), ref: null });
  expect(refused.error).toMatchObject({ code: "source_auth" });
  const wrong = await world.run({ kind: "git", url: url("me:tok-wrong@"), ref: null });
  expect(wrong.error).toMatchObject({ code: "source_auth" });
  const right = await world.run({ kind: "git", url: url("me:tok-5e1f@"), ref: null });
  expect(resolved(right)).toMatchObject({ commit: made.commit });
  const told = JSON.stringify([right.events, wrong.events, wrong.error?.message, wrong.error?.traceback]);
  expect(told).not.toContain("tok-");
  await locked.close();
});

it("stops a source that is larger than its limit", async () => {
  const small = await buildWorld({ limits: { sourceBytes: 20_000 } });
  small.allow.push({ host: "127.0.0.1", port: host.port });
  const noise = Array.from({ length: 30_000 }, (_, i) => ((i * 7919) ** 2 % 65_521).toString(36)).join("");
  const made = await repository("large", { ...files, "large.bin": noise });
  host.add("large", made.path);
  const { error } = await small.run({ kind: "git", url: `${host.url}/large.git`, ref: null });
  expect(error).toMatchObject({ step: "source", code: "source_too_large" });
  await small.close();
});

/** A commit whose tree has these names as they are, byte for byte. */
const commitOf = async (
  path: string,
  entries: [mode: string, name: Buffer, content: string][],
): Promise<string> => {
  const lines: Buffer[] = [];
  for (const [mode, name, content] of entries) {
    await writeFiles(path, { "blob.tmp": content });
    const blob = await gitIn(path, "hash-object", "-w", "blob.tmp");
    lines.push(Buffer.concat([Buffer.from(`${mode} blob ${blob}\t`), name, Buffer.from("\0")]));
  }
  const list = Buffer.concat(lines);
  const tree = spawnSync("git", ["mktree", "-z"], { cwd: path, input: list }).stdout.toString().trim();
  return gitIn(path, "commit-tree", tree, "-m", "made by hand");
};

it.each([
  ["a carriage return", "d\n", "d\r"],
  ["a line separator", "d\n", "d\u2028"],
])("sees through links whose names differ only in %s", async (_what, real, other) => {
  const made = await repository("twins", files);
  const head = await commitOf(made.path, [
    ["100644", Buffer.from("main.py"), "x"],
    ["120000", Buffer.from(real), "."],
    ["120000", Buffer.from(other), "a/b/c"],
    ["120000", Buffer.from("out"), `${real}/../../etc`],
  ]);
  await gitIn(made.path, "update-ref", "refs/heads/main", head);
  const bundle = await bundleFolder(made.path, { ref: head });
  const { error } = await world.run({ kind: "bundle", path: bundle.path, commit: bundle.commit, ref: null });
  expect(error).toMatchObject({ step: "source", code: "symlink_escapes" });
});

it("refuses a file whose name is not UTF-8, by its name", async () => {
  const made = await repository("bytes", files);
  const head = await commitOf(made.path, [["100644", Buffer.from([0x64, 0xff]), "x"]]);
  await gitIn(made.path, "update-ref", "refs/heads/main", head);
  const bundle = await bundleFolder(made.path, { ref: head });
  const { error } = await world.run({ kind: "bundle", path: bundle.path, commit: bundle.commit, ref: null });
  expect(error).toMatchObject({ step: "source", code: "name_unsupported" });
});

it("joins ssh to the host through the guard, by the program that ssh is given", async () => {
  const proxy = await createProxy({ guard: world.services.guard, organization: "org_one", maxBytes: 1e6 });
  const program = join(import.meta.dirname, "../../src/upstream/connect.ts");
  const dial = (port: number) =>
    spawnText(
      process.execPath,
      [program, proxy.socket, "127.0.0.1", String(port)],
      "GET /nowhere HTTP/1.0\r\n\r\n",
    );
  expect((await dial(host.port)).out).toContain("404 Not Found");
  const refused = await dial(9);
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(refused.err).toContain("--allow-private");
  await proxy.close();
});

it("gives ssh no setting, agent, shell word or option of anybody else's", () => {
  const services = { ...world.services, dataDir: "/data of %h/'x'" };
  const context = { organization: "org_one", services } as unknown as StepContext;
  const address = parseGitUrl("ssh://git@git.example:2222/a.git", world.services.guard, "org_one");
  const command = sshCommand(
    context,
    address,
    { socket: "/run/a b/proxy", url: "", close: async () => {} },
    { path: "/data/a b/100%/id", publicKey: "" },
  );
  const words = spawnSync("sh", ["-c", `set -- ${command}; printf '%s\\n' "$@"`])
    .stdout.toString()
    .split("\n");
  expect(words.slice(0, 3)).toEqual(["ssh", "-F", "/dev/null"]);
  expect(words).toContain(`UserKnownHostsFile="/data of %%h/'x'/organizations/org_one/known_hosts"`);
  const through = words.find((word) => word.startsWith("ProxyCommand=")) ?? "";
  const inner = spawnSync("sh", [
    "-c",
    `set -- ${through.slice("ProxyCommand=".length)}; printf '%s\\n' "$@"`,
  ]);
  expect(inner.stdout.toString().trim().split("\n").slice(2)).toEqual([
    "/run/a b/proxy",
    "git.example",
    "2222",
  ]);
});

it("takes an uploaded folder as it lies there, without what is ignored, and leaves its repository alone", async () => {
  const made = await repository("folder", { ...files, ".gitignore": "secret.txt\n" });
  await writeFiles(made.path, { "notes.txt": "not committed\n", "new.txt": "new\n", "secret.txt": "no\n" });
  const before = [
    await gitIn(made.path, "status", "--porcelain"),
    await gitIn(made.path, "count-objects", "-v"),
  ];
  const notes: string[] = [];
  const bundle = await bundleFolder(made.path, { onNote: (note) => notes.push(note) });
  expect([
    await gitIn(made.path, "status", "--porcelain"),
    await gitIn(made.path, "count-objects", "-v"),
  ]).toEqual(before);
  expect(notes.join()).toContain("not committed");
  expect(bundle).toMatchObject({ name: "folder", ref: null });
  const outcome = await world.run({
    kind: "bundle",
    path: bundle.path,
    commit: bundle.commit,
    ref: bundle.ref,
  });
  expect(resolved(outcome)).toMatchObject({ commit: bundle.commit });
  const copy = join(await mkdtemp(join(tmpdir(), "offing-clone-")), "copy");
  await gitIn(tmpdir(), "clone", "--quiet", "--branch", "offing", bundle.path, copy);
  expect(await readFile(join(copy, "notes.txt"), "utf8")).toBe("not committed\n");
  expect((await gitIn(copy, "ls-files")).split("\n")).toEqual([
    ".gitignore",
    "main.py",
    "new.txt",
    "notes.txt",
  ]);
});

it("keeps the commit of a clean repository, and of a ref that was asked for", async () => {
  const made = await repository("clean", files);
  const second = await commit(made.path, { "notes.txt": "later\n" });
  expect(await bundleFolder(made.path)).toMatchObject({ commit: second, ref: "refs/heads/main" });
  const first = await bundleFolder(made.url, { ref: made.commit });
  expect(first).toMatchObject({ commit: made.commit });
  const outcome = await world.run({ kind: "bundle", path: first.path, commit: first.commit, ref: first.ref });
  expect(resolved(outcome)).toMatchObject({ commit: made.commit, subject: "Add clean" });
  await expect(bundleFolder(made.path, { ref: "nowhere" })).rejects.toThrow(
    "no branch, tag or commit nowhere",
  );
});

it("takes a folder without Git, minus environments and what a .gitignore names", async () => {
  const folder = await mkdtemp(join(tmpdir(), "offing-plain-"));
  await writeFiles(folder, {
    ...files,
    ".gitignore": "data/\n",
    "data/x": "1",
    ".venv/pyvenv.cfg": "",
    "node_modules/a.js": "",
    ".env": "KEY=1",
  });
  const bundle = await bundleFolder(folder);
  const copy = join(await mkdtemp(join(tmpdir(), "offing-clone-")), "copy");
  await gitIn(tmpdir(), "clone", "--quiet", "--branch", "offing", bundle.path, copy);
  expect((await gitIn(copy, "ls-files")).split("\n")).toEqual([".gitignore", "main.py", "notes.txt"]);
});

it("refuses an upload that is no bundle, or has not the commit that it says", async () => {
  const folder = await mkdtemp(join(tmpdir(), "offing-bad-"));
  await writeFiles(folder, { "x.bundle": "no bundle" });
  const none = await world.run({
    kind: "bundle",
    path: join(folder, "x.bundle"),
    commit: "a".repeat(40),
    ref: null,
  });
  expect(none.error).toMatchObject({ step: "source", code: "bundle_invalid" });
  const made = await repository("other", files);
  const bundle = await bundleFolder(made.path);
  const other = await world.run({ kind: "bundle", path: bundle.path, commit: "b".repeat(40), ref: null });
  expect(other.error).toMatchObject({ step: "source", code: "bundle_invalid" });
});

async function spawnText(
  program: string,
  args: string[],
  input: string,
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(program, args);
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  child.stderr.on("data", (chunk) => (err += String(chunk)));
  child.stdin.on("error", () => {});
  child.stdin.write(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}
