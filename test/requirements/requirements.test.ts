import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { requirements } from "./all.ts";

const root = join(import.meta.dirname, "../..");
const citation = /\[R:([a-z0-9.-]+)\]/g;

/** Test file → the ids that it cites. */
const cited = new Map(
  (readdirSync(join(root, "test"), { recursive: true }) as string[])
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => `test/${file}`)
    .map((file) => [file, idsIn(readFileSync(join(root, file), "utf8"))] as const),
);

function idsIn(text: string): Set<string> {
  return new Set([...text.matchAll(citation)].map((match) => match[1]!));
}

test("Every requirement has an id of its own, of the form area.name.", () => {
  const ids = requirements.map(({ id }) => id);
  expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
  expect(ids.filter((id) => !/^[a-z0-9-]+\.[a-z0-9-]+$/.test(id))).toEqual([]);
  expect(ids.length).toBeGreaterThan(0);
});

test("Every requirement is cited by the test that it names.", () => {
  const uncited = requirements.filter(({ id, break: { test: file } }) => cited.get(file)?.has(id) !== true);
  expect(uncited.map(({ id, break: { test: file } }) => `${id} in ${file}`)).toEqual([]);
});

test("Every id that a test cites is a requirement.", () => {
  const known = new Set(requirements.map(({ id }) => id));
  const unknown = [...cited].flatMap(([file, ids]) =>
    [...ids].filter((id) => !known.has(id)).map((id) => `${id} in ${file}`),
  );
  expect(unknown).toEqual([]);
});

test("Every requirement names one line of the source that its test depends on.", () => {
  const problems = requirements.flatMap(({ id, break: { file, from, to } }) => {
    if (!file.startsWith("src/") || !existsSync(join(root, file))) return [`${id}: ${file} is not there`];
    const count = readFileSync(join(root, file), "utf8").split(from).length - 1;
    if (count !== 1) return [`${id}: "${from}" is in ${file} ${count} times`];
    return from.includes("\n") || to.includes("\n") || from === to ? [`${id}: not one changed line`] : [];
  });
  expect(problems).toEqual([]);
});
