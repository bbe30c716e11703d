import { afterAll, beforeAll, expect, it } from "vitest";
import { offing, value } from "../cli/offing.ts";
import { serverSaying } from "../deploy.ts";
import { repository } from "../fixtures/repositories.ts";
import { describeIf } from "../needs.ts";
import { type Program, startProgram } from "../program.ts";
import { builtPages, closeChromium, hasChromium, neverReloaded, openTab, whyNot } from "./pages.ts";

let program: Program;

describeIf(hasChromium, whyNot)("a deploy from the command line, seen in the browser", () => {
  beforeAll(async () => {
    await builtPages();
    program = await startProgram();
  });
  afterAll(() => program[Symbol.asyncDispose]());
  afterAll(closeChromium);

  const env = () => ({ OFFING_DATA: program.dataDir });

  it("goes from nothing to live in the list and on the server's page, without a reload", async () => {
    const list = await openTab();
    // The very link that the program printed when it started.
    await list.page.goto(program.signIn);
    await list.page.getByText("No servers yet").waitFor();
    const { page: own } = await openTab();
    await own.goto(value<{ url: string }>(await offing(env(), "sign-in", "--json")).url);
    await own.getByText("No servers yet").waitFor();
    const kept = await neverReloaded(list);

    const { path } = await repository("watched", serverSaying("watched"));
    const deploy = offing(env(), "deploy", path, "--server", "watched");
    const row = list.page.getByRole("row", { name: /watched/ });
    await row.getByText("Building", { exact: true }).first().waitFor();
    await own.goto(`${program.url}/o/default/servers/watched`);
    await list.picture("deploy-building");
    // Step by step, as the build goes.
    for (const step of ["install", "inspect", "select"])
      await own.locator(`[data-step="${step}"][data-state="succeeded"]`).waitFor();
    await own.getByText("Live", { exact: true }).first().waitFor();
    await row.getByText("Live", { exact: true }).waitFor();
    expect((await deploy).code).toBe(0);

    expect(await kept()).toBe(true);
    expect(await row.innerText()).toContain(`${program.url}/default/watched/mcp`);
    await own.getByText("answer", { exact: true }).first().waitFor();
    await list.picture("deploy-live");
    expect((await offing(env(), "call", "watched", "answer")).stdout).toContain("watched");
  });

  it("that fails leaves what is live, and says both", async () => {
    const list = await openTab();
    await list.page.goto(value<{ url: string }>(await offing(env(), "sign-in", "--json")).url);
    const row = list.page.getByRole("row", { name: /watched/ });
    await row.getByText("Live", { exact: true }).waitFor();
    const kept = await neverReloaded(list);
    const { path } = await repository("watched", { "main.py": "raise RuntimeError('not today')\n" });
    expect((await offing(env(), "deploy", path, "--server", "watched")).code).toBe(1);
    await row.getByText(/Failed at \w+/).waitFor();
    expect(await row.getByText("Live", { exact: true }).count()).toBe(1);
    expect(await kept()).toBe(true);
    await list.picture("deploy-failed");
    expect((await offing(env(), "call", "watched", "answer")).stdout).toContain("watched");
  });
});
