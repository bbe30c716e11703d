import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Dependencies, findDependencies } from "../../src/build/plan/dependencies.ts";
import { type Entrypoint, findEntrypoint } from "../../src/build/plan/entrypoint.ts";
import { readRequirements } from "../../src/build/plan/requirements-file.ts";
import { needsBuild, requirementName } from "../../src/build/plan/requirements.ts";
import { survey } from "../../src/build/plan/survey.ts";
import { parseVersion, satisfies } from "../../src/build/plan/versions.ts";
import { type Files, writeFiles } from "../fixtures/repositories.ts";

const tree = async (files: Files): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "offing-plan-"));
  await writeFiles(folder, files);
  return folder;
};
const server = 'from fastmcp import FastMCP\nmcp = FastMCP("x")\n';
const entrypointOf = async (files: Files, asked: string | null): Promise<Entrypoint> =>
  findEntrypoint(await survey(await tree(files)), { entrypoint: asked, source: "URL" });
const dependenciesOf = async (files: Files, entrypoint: string): Promise<Dependencies> =>
  findDependencies(await survey(await tree(files)), entrypoint, { dependencyFile: null, config: null });

describe("the entrypoint", () => {
  it.each([
    ["main.py, even beside a server.py", { "main.py": server, "server.py": server }, "main.py"],
    [
      "server.py, where main.py has nothing to do with MCP",
      { "main.py": "x = 1", "server.py": server },
      "server.py",
    ],
    ["server.py where there is no main.py", { "server.py": server, "other.py": server }, "server.py"],
    [
      "the only file that constructs a server",
      { "pkg/tools.py": server, "pkg/util.py": "x = 1" },
      "pkg/tools.py",
    ],
    [
      "never a test, an example or a committed environment",
      { "a.py": server, "tests/b.py": server, "env/pyvenv.cfg": "", "env/c.py": server },
      "a.py",
    ],
    [
      "not a file that only mentions a server in a comment",
      { "a.py": "# mcp = FastMCP()\n", "b.py": server },
      "b.py",
    ],
  ] as const)("is %s", async (_what, files, path) => {
    const found = await entrypointOf(files, null);
    expect(found.path).toBe(path);
    expect(found.reason).not.toBe("");
  });

  it("is asked for when several files could be it", async () => {
    await expect(entrypointOf({ "a.py": server, "b.py": server }, null)).rejects.toMatchObject({
      code: "entrypoint_ambiguous",
      hint: expect.stringContaining("./offing deploy URL --server b --entrypoint b.py"),
    });
  });

  it.each(["/etc/x.py", "../x.py", "a/../../x.py", "main.txt", "main.py:not a name", "main.py:"])(
    "is refused as %s",
    async (asked) => {
      await expect(entrypointOf({ "main.py": server }, asked)).rejects.toMatchObject({
        code: "entrypoint_invalid",
      });
    },
  );

  it("takes the object's name after the colon", async () => {
    expect(await entrypointOf({ "a/b.py": server }, "./a/b.py:make")).toMatchObject({
      path: "a/b.py",
      object: "make",
    });
  });
});

describe("the dependency source", () => {
  const project = (more: string): string => `[project]\nname = "x"\nversion = "1"\n${more}`;
  it.each([
    [
      "requirements.txt before everything",
      { "requirements.txt": "fastmcp\n", "pyproject.toml": project(""), "uv.lock": "" },
      "main.py",
      "requirements",
      false,
    ],
    [
      "uv.lock before the list",
      { "pyproject.toml": project('dependencies = ["mcp"]'), "uv.lock": "" },
      "main.py",
      "lock",
      false,
    ],
    [
      "the nearest folder upwards",
      { "requirements.txt": "x\n", "a/pyproject.toml": project('dependencies = ["mcp"]') },
      "a/b/main.py",
      "pyproject",
      false,
    ],
    ["nothing, and then FastMCP is added", {}, "main.py", "none", true],
    [
      "a list without a server library, and then FastMCP is added",
      { "requirements.txt": "httpx\n" },
      "main.py",
      "requirements",
      true,
    ],
    [
      "a list that names FastMCP only in an extra, and then nothing is added",
      { "pyproject.toml": project('[project.optional-dependencies]\nserver = ["FastMCP>=2"]') },
      "main.py",
      "pyproject",
      false,
    ],
  ] as const)("is %s", async (_what, files, entrypoint, kind, added) => {
    const found = await dependenciesOf({ ...files, [entrypoint]: server }, entrypoint);
    expect([found.source.kind, found.added.plain]).toEqual([kind, added ? ["fastmcp"] : []]);
    expect(found.reasons.length).toBeGreaterThan(0);
  });
});

describe("a limit that the code proves", () => {
  const sdk = "from mcp.server.fastmcp import FastMCP\nmcp = FastMCP('x')\n";
  const listed = (line: string): Files => ({ "requirements.txt": line });
  it.each([
    ["holds where the version is open", listed("mcp>=1.2\n"), ["mcp<2"]],
    ["holds where only a library that needs it is named", listed("fastmcp\n"), ["mcp<2"]],
    ["yields to an exact version", listed("mcp==2.1.0\n"), []],
    ["yields to a limit of the project", listed("mcp>=1,<3\n"), []],
    [
      "never comes over a lock",
      { "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["mcp"]\n', "uv.lock": "" },
      [],
    ],
  ])("%s", async (_what, files, limits) => {
    const found = await dependenciesOf({ "main.py": sdk, ...files }, "main.py");
    expect(found.limits.map(({ constraint }) => constraint)).toEqual(limits);
  });

  it("is drawn from what the code does with a server that is an attribute", async () => {
    const code = `from mcp.server import Server

class Sums:
    def __init__(self):
        self.server = Server("sums")

        @self.server.list_tools()
        async def tools(): ...
`;
    const found = await dependenciesOf({ "main.py": code, "requirements.txt": "mcp>=1\n" }, "main.py");
    expect(found.limits.map(({ constraint }) => constraint)).toEqual(["mcp<2"]);
  });

  it("is drawn from FastMCP 2, which is made on mcp 1", async () => {
    const limitsFor = async (line: string) =>
      (await dependenciesOf({ "main.py": server, "requirements.txt": `${line}\n` }, "main.py")).limits.map(
        ({ constraint }) => constraint,
      );
    expect(await limitsFor("fastmcp==2.14.1")).toEqual(["mcp<2"]);
    expect(await limitsFor("fastmcp>=2.3,<3.0")).toEqual(["mcp<2"]);
    expect(await limitsFor("fastmcp>=2.3")).toEqual([]);
  });

  it("is not drawn from a module that the entrypoint does not load", async () => {
    const found = await dependenciesOf(
      { "main.py": server, "old.py": sdk, "requirements.txt": "mcp\n" },
      "main.py",
    );
    expect(found.limits).toEqual([]);
  });
});

describe("a requirements file", () => {
  it("is read with what it includes, and tells what needs a build", async () => {
    const root = await tree({
      "requirements.txt":
        "\uFEFFfastmcp[cli]>=4 ; python_version > '3'  # the library\n-r more/dev.txt\n-c limits.txt\n-e .[x]\n--extra-index-url https://index.example/simple\n",
      "more/dev.txt":
        "httpx==1 \\\n  --hash=sha256:aa\n./lib\nx @ git+https://host.example/x.git@abc\ny @ https://host.example/y-1-py3-none-any.whl\n",
      "limits.txt": "anyio<5\n",
    });
    expect(await readRequirements(root, "requirements.txt")).toMatchObject({
      plain: [
        "fastmcp[cli]>=4 ; python_version > '3'",
        "httpx==1",
        "y @ https://host.example/y-1-py3-none-any.whl",
      ],
      fromSource: ["./more/lib", "x @ git+https://host.example/x.git@abc", "./.[x]"],
      constraints: ["anyio<5"],
      indexes: ["--index", "https://index.example/simple"],
      prereleases: false,
    });
  });

  it.each([
    "-r ../outside.txt",
    "-r /etc/passwd",
    "-e ../lib",
    "x @ file:///etc",
    "--find-links /root",
    "--unknown",
  ])("that says %s is refused", async (line) => {
    const root = await tree({ "requirements.txt": `${line}\n` });
    await expect(readRequirements(root, "requirements.txt")).rejects.toMatchObject({
      code: "requirements_invalid",
    });
  });

  it.each([
    [".", true],
    ["./lib", true],
    ["git+https://h/x.git", true],
    ["x @ git+ssh://h/x.git", true],
    ["https://h/x-1.tar.gz", true],
    ["x @ https://h/x-1.zip ; sys_platform == 'linux'", true],
    ["lib/x", true],
    ["x @ ./lib", true],
    ["x @ /srv/other-organization/x-1-py3-none-any.whl", true],
    ["x @ https://h/${HOME}/x-1-py3-none-any.whl", true],
    ["x @ https://h/x-1-py3-none-any.whl", false],
    ["x>=1", false],
    ["Zope.Interface [a] ~=5", false],
  ])("needs a build for %s: %s", (requirement, needs) => {
    expect(needsBuild(requirement)).toBe(needs);
  });

  it("compares names as indexes do", () => {
    expect(requirementName("Zope_Interface.X[extra]>=1")).toBe("zope-interface-x");
  });
});

describe("a range of Python versions", () => {
  it.each([
    ["3.12.1", ">=3.10", true],
    ["3.9.9", ">=3.10", false],
    ["3.12.1", ">=3.10,<3.12", false],
    ["3.12.1", "==3.12.*", true],
    ["3.12.1", "~=3.12", true],
    ["3.13.0", "~=3.12.0", false],
    ["3.12.1", "!=3.12.1", false],
    ["3.12.1", "3.12", true],
    ["3.12.1", "^3.10", true],
    ["3.12.1", "<4", true],
    ["3.12.1", "latest", undefined],
  ])("%s and %s: %s", (version, range, holds) => {
    expect(satisfies(parseVersion(version) ?? [], range)).toBe(holds);
  });
});
