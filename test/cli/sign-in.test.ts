import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../src/contract/client.ts";
import { openTab, signedIn, tokenOf } from "../http/browser.ts";
import { type Program, startProgram } from "../program.ts";
import { offing, remote, value } from "./offing.ts";

let program: Program;
beforeAll(async () => {
  program = await startProgram();
});
afterAll(() => program[Symbol.asyncDispose]());

const env = () => ({ OFFING_DATA: program.dataDir });
const at = { organization: "default" };

describe("offing sign-in", () => {
  it("prints a link and nothing else, which signs in", async () => {
    const ran = await offing(env(), "sign-in");
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(new RegExp(`^${program.url}/sign-in#token=\\w+\n$`));
    expect((await openTab(program).signIn(ran.stdout.trim())).status).toBe(200);
  });

  it("with --json prints it with its end", async () => {
    const link = value<{ url: string; expiresAt: string }>(await offing(env(), "sign-in", "--json"));
    expect(Date.parse(link.expiresAt)).toBeGreaterThan(Date.now());
    expect((await openTab(program).signIn(link.url)).status).toBe(200);
  });

  it("with a key that is none exits 4", async () => {
    expect((await offing(remote(program, "off_nonsense"), "sign-in")).code).toBe(4);
  });
});

describe("offing up", () => {
  it("prints a sign-in link that opens once, and another at every start", async () => {
    const first = program.signIn;
    const tab = openTab(program);
    expect((await tab.signIn(first)).body.principal.id).toBe(program.owner.id);
    expect((await openTab(program).signIn(first)).status).toBe(401);
    await program.stop();
    await program.start();
    expect(program.signIn).not.toBe(first);
    expect((await openTab(program).signIn(program.signIn)).status).toBe(200);
  });

  it("says the link to nobody else: it is in no line of its log", () => {
    const token = tokenOf(program.signIn);
    expect(program.said()).not.toContain(token);
  });
});

describe("offing sign-out", () => {
  it("ends every session of the key's user and the links that are open", async () => {
    const tab = await signedIn(program, program.owner);
    const link = (await offing(env(), "sign-in")).stdout.trim();
    const ran = await offing(env(), "sign-out");
    expect([ran.code, ran.stdout]).toEqual([0, ""]);
    expect(ran.stderr).toMatch(/^Signed out: \d+ sessions? ended, \d+ open sign-in links? used up\.\n$/);
    expect((await tab.send("GET", "/api/v1/me")).status).toBe(401);
    expect((await openTab(program).signIn(link)).status).toBe(401);
  });

  it("with --json says how many", async () => {
    await signedIn(program, program.owner);
    expect(value(await offing(env(), "sign-out", "--json"))).toEqual({ sessions: 1, links: 0 });
  });
});

describe("offing up without the owner's key", () => {
  it("starts also when the owner's key was revoked, and says how to sign in then", async () => {
    const { key } = await program.owner.client.call("createKey", at, {});
    const client = () => createClient({ url: program.url, key });
    const { items } = await client().call("listKeys", at);
    const owners = items.find(({ label }) => label === "owner.key")!;
    await client().call("revokeKey", { ...at, key: owners.id });
    await program.stop();
    await program.start();
    expect(program.signIn).toBeNull();
    expect(program.said()).toContain("./offing sign-in");
    const link = value<{ url: string }>(await offing(remote(program, key), "sign-in", "--json"));
    expect((await openTab(program).signIn(link.url)).status).toBe(200);
  });
});
