import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/build/build.ts";
import { nearName } from "../../src/build/install/failure/names.ts";
import { codeOf } from "../../src/build/plan/code.ts";
import { parseFastmcpJson } from "../../src/build/plan/fastmcp-json.ts";
import { importsOf } from "../../src/build/plan/imports.ts";
import { serverMadeIn } from "../../src/build/plan/kinds.ts";
import { versionDescribed, versionOf } from "../../src/build/source/version.ts";

describe("Python code", () => {
  it("is left without its comments and strings", () => {
    const code = codeOf(`x = "FastMCP(" # FastMCP(\ny = '''\nFastMCP(\n''' + 'it''s'\nmcp = FastMCP("a")\n`);
    expect(code.match(/FastMCP\(/g)).toHaveLength(1);
    expect(code.split("\n")[4]).toBe('mcp = FastMCP("")');
  });

  it("tells its imports, whatever their form", () => {
    const source =
      "import a.b as c, d\nfrom .x import (\n    one,\n    two as three,\n)\n  from mcp.server import Server\nfrom .. import y\n";
    expect(importsOf(source)).toEqual([
      { level: 0, module: "a.b", names: [] },
      { level: 0, module: "d", names: [] },
      { level: 1, module: "x", names: ["one", "two"] },
      { level: 0, module: "mcp.server", names: ["Server"] },
      { level: 2, module: "", names: ["y"] },
    ]);
  });

  it.each([
    ["from fastmcp import FastMCP\nmcp: FastMCP[None] = FastMCP[None]('x')\n", "a FastMCP server", "line 2"],
    [
      "from mcp.server.fastmcp import FastMCP\n\nmcp = FastMCP()\n",
      "a FastMCP server of the MCP SDK 1.x",
      "line 3",
    ],
    ["from fastmcp import FastMCP\nmcp = FastMCP.from_openapi(spec)\n", "a FastMCP server", "line 2"],
    ["import mcp.server.stdio as s\ns.stdio_server()\n", "a stdio program of the MCP SDK", "line 2"],
    [
      "from mcp.server.lowlevel import Server\nserver = Server('x')\n",
      "a low-level Server of the MCP SDK",
      "line 2",
    ],
  ])("with %j makes a server", (source, what, why) => {
    const made = serverMadeIn(codeOf(source), source);
    expect(made?.what).toBe(what);
    expect(made?.why).toContain(why);
  });

  it.each(["from http import Server\nx = Server()\n", "from fastmcp import Client\n", "# FastMCP()\n"])(
    "with %j makes none",
    (source) => {
      expect(serverMadeIn(codeOf(source), source)).toBeNull();
    },
  );
});

describe("a fastmcp.json", () => {
  it.each([
    ["a source above", { source: { path: "../../x.py" } }],
    ["a source of the machine", { source: { path: "/etc/x.py" } }],
    ["a project above", { source: { path: "x.py" }, environment: { project: "../.." } }],
    [
      "requirements of the machine",
      { source: { path: "x.py" }, environment: { requirements: "/etc/hosts" } },
    ],
    ["a source of another type", { source: { type: "git", path: "x.py" } }],
    ["dependencies that are a text", { source: { path: "x.py" }, environment: { dependencies: "fastmcp" } }],
    ["arguments that are numbers", { source: { path: "x.py" }, deployment: { args: [1] } }],
    ["a source without a path", { source: {} }],
  ])("with %s is refused", (_what, given) => {
    expect(() => parseFastmcpJson(JSON.stringify(given), "a/fastmcp.json")).toThrow(BuildError);
  });

  it("gives its paths relative to the repository", () => {
    const given = {
      source: { path: "../srv.py", entrypoint: "make" },
      environment: { project: ".", requirements: "r.txt" },
    };
    expect(parseFastmcpJson(JSON.stringify(given), "a/fastmcp.json").config).toMatchObject({
      entrypoint: "srv.py:make",
      project: "a",
      requirements: "a/r.txt",
    });
  });
});

describe("the version from Git's tags", () => {
  const commit = "abc1234".padEnd(40, "0");
  it.each([
    [[{ name: "v1.2.3", commit }], "1.2.3"],
    [
      [
        { name: "v1.2.3", commit },
        { name: "v1.10.0", commit },
      ],
      "1.10.0",
    ],
    [
      [
        { name: "v2.0.0", commit: "other" },
        { name: "release/v1.9.0", commit: "older" },
      ],
      "2.0.0+gabc1234",
    ],
    [[{ name: "nightly", commit }], null],
    [[], null],
  ])("of %j is %j", (tags, version) => {
    expect(versionOf(tags, commit)).toBe(version);
  });

  it.each([
    ["v1.2.3-0-gabc1234", "1.2.3"],
    ["pkg-v1.2.3-12-gabc1234", "1.2.3+12.gabc1234"],
    ["stable", null],
  ])("as described by %j is %j", (words, version) => {
    expect(versionDescribed(words)).toBe(version);
  });
});

it.each([
  ["fastmpc", "fastmcp"],
  ["reqeusts", "requests"],
  ["bs4", "beautifulsoup4"],
  ["something-else-entirely", null],
])("somebody who wrote %j may have meant %j", (wrong, meant) => {
  expect(nearName(wrong)).toBe(meant);
});
