import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { openSecret, rewrapSecret, sealSecret } from "../../src/lib/envelope.ts";
import type { Keyring } from "../../src/lib/seal.ts";

const old: Keyring = { current: "old", keys: new Map([["old", randomBytes(32)]]) };
const both: Keyring = { current: "new", keys: new Map([...old.keys, ["new", randomBytes(32)]]) };
const only: Keyring = { current: "new", keys: new Map([["new", both.keys.get("new")!]]) };
const plain = Buffer.from("a secret");

it("a secret opens for the use that it was sealed for, and for no other", () => {
  const sealed = sealSecret(old, "variable a/b", plain);
  expect(openSecret(old, "variable a/b", sealed)).toEqual(plain);
  expect(openSecret(old, "variable a/c", sealed)).toBeUndefined();
  expect(openSecret(only, "variable a/b", sealed)).toBeUndefined();
});

it("the same secret sealed twice has two data keys: nothing of one stands in the other", () => {
  const [one, two] = [sealSecret(old, "x", plain), sealSecret(old, "x", plain)];
  expect(one.length).toBe(two.length);
  const same = [...one].filter((byte, index) => byte === two[index]).length;
  // The heads are alike, and of random bytes one in 256.
  expect(same).toBeLessThan(one.length / 3);
});

it("a change of a single byte, anywhere, opens nothing", () => {
  const sealed = sealSecret(old, "x", plain);
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at]! ^= 1;
    expect(openSecret(old, "x", changed)).toBeUndefined();
  }
  for (let length = 0; length < sealed.length; length++)
    expect(openSecret(old, "x", sealed.subarray(0, length))).toBeUndefined();
});

it("rewrapped under a new key it needs the old one no more, and its own ciphertext stays", () => {
  const sealed = sealSecret(old, "x", plain);
  const rewrapped = rewrapSecret(both, "x", sealed)!;
  expect(openSecret(only, "x", rewrapped)).toEqual(plain);
  expect(rewrapped.includes(sealed.subarray(-20))).toBe(true);
  expect(rewrapSecret(both, "y", sealed)).toBeUndefined();
});
