import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { shellWord } from "../../src/lib/shell.ts";

test("a word of any text comes back from a shell as it was", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string({ unit: "grapheme", maxLength: 12 }).filter((word) => !word.includes("\0")),
        { minLength: 1, maxLength: 20 },
      ),
      (words) => {
        const line = words.map(shellWord).join(" ");
        const read = execFileSync("sh", ["-c", `printf '%s\\0' ${line}`], { encoding: "utf8" });
        // eslint-disable-next-line no-control-regex
        const kept = words.map((word) => word.replace(/[\0-\x1F\x7F-\x9F\u2028\u2029]/g, " "));
        expect(read.split("\0").slice(0, -1)).toEqual(kept);
      },
    ),
    { numRuns: 60 },
  );
});

test("what needs no quotes has none, and what a shell would act on has them", () => {
  expect(shellWord("src/server.py:app")).toBe("src/server.py:app");
  expect(shellWord("$(reboot)")).toBe("'$(reboot)'");
  expect(shellWord("a'b")).toBe("'a'\\''b'");
  expect(shellWord("")).toBe("''");
});
