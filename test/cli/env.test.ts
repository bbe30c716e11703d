import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UsageError } from "../../src/cli/context.ts";
import { readDotenv } from "../../src/cli/dotenv.ts";
import { openSet } from "../../src/domain/variables/sets.ts";
import { openWorld, type World } from "../world.ts";
import { fed, offing, remote, typed, value } from "./offing.ts";

let world: World;
let folder: string;
const env = () => remote(world, world.owner.key);
const run = (...args: string[]) => offing(env(), ...args);

interface Change {
  readonly changed: readonly string[];
  readonly items: readonly { readonly name: string; readonly updatedBy: { readonly name: string } }[];
  readonly next: string;
}

/** The plain values that the next build of a server would take. */
async function values(slug: string): Promise<Record<string, string>> {
  const { db } = world.system.services;
  const set = await db
    .selectFrom("variable_sets as v")
    .innerJoin("servers as s", "s.id", "v.server")
    .select(["v.id", "v.organization"])
    .where("s.slug", "=", slug)
    .orderBy("v.seq", "desc")
    .executeTakeFirstOrThrow();
  return openSet(world.system.services, set.organization, set.id);
}

beforeAll(async () => {
  world = await openWorld();
  folder = await mkdtemp(join(tmpdir(), "offing-env-"));
});
afterAll(() => world.close());

describe("offing env", () => {
  it("sets, lists and removes; a value is never shown, and what makes it effective is said", async () => {
    const set = await run("env", "set", "weather", "API_KEY=abc=def", "EMPTY=", "--create");
    expect([set.code, set.stdout]).toEqual([0, ""]);
    expect(set.stderr).toContain("Set API_KEY, EMPTY of weather");
    expect(set.stderr).toContain("./offing deploy SOURCE --server weather");
    expect(await values("weather")).toEqual({ API_KEY: "abc=def", EMPTY: "" });

    const list = await run("env", "list", "default/weather");
    expect(list.stdout).toMatch(/^NAME +SCOPE +UPDATED +BY\nAPI_KEY +production .*\nEMPTY +production/);
    const items = value<Change["items"]>(await run("env", "list", "weather", "--json"));
    expect(items.map(({ name }) => name)).toEqual(["API_KEY", "EMPTY"]);

    const removed = value<Change>(await run("env", "remove", "weather", "EMPTY", "--json"));
    expect(removed).toMatchObject({ changed: ["EMPTY"], items: [{ name: "API_KEY" }] });
    const gone = await run("env", "remove", "weather", "EMPTY");
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining("EMPTY")]);
    for (const { stdout, stderr } of [set, list]) expect(stdout + stderr).not.toContain("abc=def");
  });

  it("reads a value from stdin without its last newline, and keeps those inside", async () => {
    const pem = "-----BEGIN KEY-----\nabc\n-----END KEY-----";
    const ran = await fed(env(), `${pem}\n`, "env", "set", "weather", "PEM=-", "OTHER=1");
    expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining("OTHER, PEM")]);
    expect(await values("weather")).toMatchObject({ PEM: pem, OTHER: "1" });
  });

  it("takes from a file or stdin also what a hint shows in the place of a value", async () => {
    expect((await fed(env(), "VALUE\n", "env", "set", "weather", "REAL=-")).code).toBe(0);
    expect(await values("weather")).toMatchObject({ REAL: "VALUE" });
  });

  it("asks at a terminal for each value, and shows nothing of it", async () => {
    const answers = ["hunr\x7fter\r\x04", "-----BEGIN-----\rzwei ü\r-----END-----\r\x04"];
    const asked = await typed(env(), answers, "env", "set", "weather", "ONE=-", "TWO=-");
    expect(asked.shown).toContain("Type or paste ONE; it is not shown");
    expect(asked.shown).toContain("Set ONE, TWO of weather");
    for (const secret of ["hun", "zwei", "BEGIN"]) expect(asked.shown).not.toContain(secret);
    expect(asked.code).toBe(0);
    expect(await values("weather")).toMatchObject({
      ONE: "hunter",
      TWO: "-----BEGIN-----\nzwei ü\n-----END-----",
    });
    const before = await values("weather");
    expect((await typed(env(), ["half a\x03"], "env", "set", "weather", "ONE=-")).code).toBe(130);
    expect(await values("weather")).toEqual(before);
  });

  it("refuses a name that a JSON reader would drop, from the command line as from a file", async () => {
    expect((await run("env", "set", "weather", "__proto__=1", "A=1")).stderr).toContain("__proto__");
    const ran = await fed(env(), "__proto__=1\nA=1\n", "env", "set", "weather", "--from-file", "-");
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("__proto__")]);
    expect(await values("weather")).not.toHaveProperty("A");
  });

  it("reads a .env file, from a path and from stdin", async () => {
    const file = join(folder, ".env");
    await writeFile(file, "# a comment\nexport FROM_FILE='as $it is'\n");
    expect((await run("env", "set", "weather", "--from-file", file)).code).toBe(0);
    expect((await fed(env(), "FROM_STDIN=1\n", "env", "set", "weather", "--from-file", "-")).code).toBe(0);
    expect(await values("weather")).toMatchObject({ FROM_FILE: "as $it is", FROM_STDIN: "1" });
  });

  it("exits 2 for what it cannot read, and repeats nothing of it", async () => {
    const secret = "sk-very-secret";
    const file = join(folder, "broken.env");
    await writeFile(file, `GOOD=1\n${secret}\n`);
    await writeFile(join(folder, "binary"), Buffer.from([0x41, 0x3d, 0xff, 0xfe]));
    const before = await values("weather");
    for (const [args, words] of [
      [[secret], "argument 2 is not KEY=VALUE"],
      [[], "name what to set"],
      [["--from-file", file], "line 2 is not KEY=VALUE"],
      [["--from-file", join(folder, "absent")], "cannot be read"],
      [["--from-file", join(folder, "binary")], "is not UTF-8 text"],
      [["A=-", "B=-"], "stdin can be read once"],
      [["A=VALUE"], "A=VALUE is a hint's placeholder: give the real value, or A=- to be asked for it"],
      [["A=1", "B=…"], "placeholder"],
      [["A=..."], "placeholder"],
      [["A=<your key>"], "placeholder"],
    ] as const) {
      const ran = await run("env", "set", "weather", ...args);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toContain(words);
      expect(ran.stderr).not.toContain(secret);
    }
    const refused = await run("env", "set", "weather", "PATH=/bin", "--json");
    expect([refused.code, value(refused).error.code]).toEqual([1, "invalid"]);
    expect(await values("weather")).toEqual(before);
  });

  it("says for a server that is not there how to make it", async () => {
    const ran = await run("env", "set", "wether", "A=1");
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("--create");
  });
});

describe("a .env file", () => {
  it.each([
    ["A=1\nB = two words \n", { A: "1", B: "two words" }],
    ["A=x#y # comment\n", { A: "x#y" }],
    [`A="a\\n\\"b\\" $C"\nB='a\\n'\n`, { A: 'a\n"b" $C', B: "a\\n" }],
    ['A="one\ntwo" # over lines\nB=3', { A: "one\ntwo", B: "3" }],
    ["\uFEFFA=1\r\nA=2\r\n", { A: "2" }],
    ["A=\n", { A: "" }],
    ["A= # your key here\nB=\t# too\nC=#channel\nD= #", { A: "", B: "", C: "#channel", D: "" }],
    ['A=`it\'s "both" \\n`\nB=`one\ntwo` # over lines', { A: 'it\'s "both" \\n', B: "one\ntwo" }],
  ])("%j reads as %j", (text, expected) => {
    expect(readDotenv(text)).toEqual(expected);
  });

  it.each([
    ["no pair", /line 1 is not/],
    ['A="open\nB=2', /quote that begins in line 1/],
    ['A="1" x', /line 1 goes on/],
    ["A=`open", /quote that begins in line 1/],
  ])("%j is refused", (text, words) => {
    expect(() => readDotenv(text)).toThrow(words);
  });

  it("gives back any value that is quoted by a quote that is not in it, and any text or a refusal without it", () => {
    const text = fc.string({
      unit: fc.constantFrom("a", "#", " ", "\t", "\n", "=", "'", '"', "`", "\\", "$", "é"),
      maxLength: 20,
    });
    fc.assert(
      fc.property(text, text, (value, more) => {
        for (const quote of ["'", "`"]) {
          if (value.includes(quote)) continue;
          expect(readDotenv(`B=1\nA=${quote}${value}${quote} # ${quote}\nC=2`)).toEqual({
            A: value,
            B: "1",
            C: "2",
          });
        }
        try {
          readDotenv(`A=${value}\n${more}`);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
          expect((error as Error).message).toMatch(/^(the quote that begins in )?line \d+ [a-zA-Z =]+$/);
        }
      }),
    );
  });
});
