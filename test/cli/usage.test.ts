import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Program, startProgram } from "../program.ts";
import { offing, value } from "./offing.ts";

const nowhere = { OFFING_URL: "http://127.0.0.1:1", OFFING_API_KEY: "x" };

describe("a command that is called wrongly exits 2 and says how it is called", () => {
  it.each([
    [["frobnicate"], 'there is no command "frobnicate"'],
    [["keys"], "keys create"],
    [["servers", "--frob"], "--frob"],
    [["deploy"], "an argument is missing"],
    [["tools", "a", "b"], '"b" is one argument too many'],
    [["call", "a/b", "tool", "{x:1}"], "ARGS is a JSON object"],
    [["call", "a/b", "tool", "[1]"], "ARGS is a JSON object"],
    [["tools", "a/b/c"], "SERVER is SLUG or ORG/SLUG"],
    [["tools", "../b"], "SERVER is SLUG or ORG/SLUG"],
    [["logs", "a", "--build", "--since", "1h"], "--since"],
    [["deploy", "./no-such-folder"], "neither a folder here nor a Git URL"],
    [["up", "--frob"], "--frob"],
    [["up", "--port", "many"], "the port"],
    [["up", "--url", "localhost:7400"], "https://mcp.example.com"],
  ])("%j", async (args, says) => {
    const ran = await offing(nowhere, ...args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(says);
    expect(ran.stdout).toBe("");
  });

  it("with --json as one JSON value too", async () => {
    for (const args of [["frobnicate"], ["tools"], ["servers", "--frob"]]) {
      const ran = await offing(nowhere, ...args, "--json");
      expect([ran.code, value(ran).error.code]).toEqual([2, "usage"]);
    }
  });
});

describe("help", () => {
  it("lists every command on stdout and exits 0", async () => {
    for (const args of [[], ["help"], ["--help"]]) {
      const ran = await offing({}, ...args);
      expect([ran.code, ran.stderr]).toEqual([0, ""]);
      for (const name of [
        "up",
        "deploy SOURCE",
        "keys create",
        "rollback SERVER [BUILD]",
        "check SERVER",
        "doctor",
        "test",
      ])
        expect(ran.stdout).toContain(`  ${name}`);
    }
    expect((await offing({}, "deploy", "--help")).stdout).toContain("[--allow-private]");
  });
});

describe("without a program", () => {
  it("exits 1 and says how to start one", async () => {
    const folder = await mkdtemp(join(tmpdir(), "offing-none-"));
    const ran = await offing({ OFFING_DATA: folder }, "servers", "--json");
    expect([ran.code, value(ran).error.code]).toEqual([1, "unavailable"]);
    expect(ran.stderr).toContain("./offing up");
    const gone = await offing(nowhere, "servers", "--json");
    expect([gone.code, value(gone).error.code]).toEqual([1, "unavailable"]);
    expect(gone.stderr).toContain("nothing answers at http://127.0.0.1:1");
  });
});

describe("on the program's own machine", () => {
  it("the CLI finds the program and the owner's key by the data folder, and OFFING_API_KEY wins over it", async () => {
    await using program: Program = await startProgram();
    const ran = await offing({ OFFING_DATA: program.dataDir }, "keys", "list", "--json");
    expect(ran.code).toBe(0);
    expect(value(ran)).toMatchObject([{ label: "owner.key" }]);
    const other = await offing({ OFFING_DATA: program.dataDir, OFFING_API_KEY: "off_wrong" }, "servers");
    expect(other.code).toBe(4);
    // The owner's key goes to the program of this machine only.
    const elsewhere = await offing({ OFFING_DATA: program.dataDir, OFFING_URL: program.url }, "servers");
    expect(elsewhere.code).toBe(4);
  });
});
