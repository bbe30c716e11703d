import { existsSync } from "node:fs";
import { chmod, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { callText, deployed, finished, mcpClient, serverSaying, startDeploy } from "../deploy.ts";
import type { Files } from "../fixtures/repositories.ts";
import { describeIf } from "../needs.ts";
import { type Caller, openWorld, type World } from "../world.ts";
import { viewport } from "./browser.ts";
import { builtPages, closeChromium, hasChromium, neverReloaded, seen, signedInTab, whyNot } from "./pages.ts";

let world: World;

/** Where a page shows a server. */
const at = (caller: Caller, server: string) => `${world.url}/o/${caller.slug}/servers/${server}`;

describeIf(hasChromium, whyNot)("the pages of servers", () => {
  beforeAll(async () => {
    world = await openWorld({ web: await builtPages() });
  });
  afterAll(() => world.close());
  afterAll(closeChromium);

  it("an empty list says what to type next, and fills without a reload", async () => {
    const owner = await world.organization("beginners");
    const tab = await signedInTab(owner);
    const kept = await neverReloaded(tab);
    const { page } = tab;
    await page.getByText("No servers yet").waitFor();
    expect(await page.getByText("./offing deploy https://").isVisible()).toBe(true);
    const started = await startDeploy(owner, "first", serverSaying("one"));
    await page.getByRole("link", { name: "first" }).waitFor();
    expect((await finished(owner, "first", started.id)).build.error).toBeNull();
    await page.getByRole("row", { name: /first/ }).getByText("Live", { exact: true }).waitFor();
    expect(await kept()).toBe(true);
  });

  it("a failing build shows its cause and what to change, without scrolling", async () => {
    const { build } = await deployed(world.owner, "broken", {
      "requirements.txt": "fastmcp>=4,<5\n",
      "main.py": "import pandas\nfrom fastmcp import FastMCP\n\nmcp = FastMCP('Broken')\n",
    });
    const { error } = build;
    expect(error?.hint).toBeTruthy();
    const { page, picture } = await signedInTab(world.owner);
    await page.goto(at(world.owner, "broken"));
    const cause = page.getByText(firstLine(error!.message)).first();
    await cause.waitFor();
    await picture("build-failed");
    expect(await page.evaluate("globalThis.scrollY")).toBe(0);
    // What the hint holds of commands is set apart, so its words are looked for together.
    const told = page.getByRole("group", { name: "Why the build failed" });
    const words = (await told.innerText()).replace(/\s+/g, " ");
    expect(words).toContain(firstLine(error!.message));
    expect(words).toContain(
      error!
        .hint!.replaceAll("`", "")
        .split(/[\n;:]/)[0]!
        .trim(),
    );
    expect(words).toContain(`Failed at ${error!.step}`);
    for (const shown of [cause, told]) expect(inside((await shown.boundingBox())!)).toBe(true);
  });

  it("a new build's log grows while it runs, by step, on a page that was open before", async () => {
    await deployed(world.owner, "logged", serverSaying("one"));
    const tab = await signedInTab(world.owner);
    const { page } = tab;
    await page.goto(at(world.owner, "logged"));
    await page.getByText("Live", { exact: true }).first().waitFor();
    const kept = await neverReloaded(tab);
    const started = await startDeploy(world.owner, "logged", serverHeld());
    // While the code's import is held, the last step waits and the lines of the first are there.
    await page.locator('[data-step="select"][data-state="waiting"]').waitFor();
    await page.getByLabel("Build log").locator("[data-stream]").first().waitFor();
    expect(await page.locator('[data-step="select"]').getAttribute("data-state")).toBe("waiting");
    await letGo();
    await page.locator('[data-step="select"][data-state="succeeded"]').waitFor();
    const { log } = await finished(world.owner, "logged", started.id);
    const shown = () => page.getByLabel("Build log").innerText();
    for (const line of log.filter((text) => text.trim() !== ""))
      await expect.poll(shown).toContain(line.trim());
    for (const step of ["source", "plan", "install", "inspect"])
      expect(await page.getByLabel("Build log").getByRole("region", { name: step }).count()).toBe(1);
    expect(await kept()).toBe(true);
  });

  it("a call appears among the requests and its prints in the log, without a reload", async () => {
    await deployed(
      world.owner,
      "talking",
      serverSaying(
        "hi",
        '@mcp.tool\ndef shout() -> str:\n    print("a line for the log")\n    return "HI"\n',
      ),
    );
    const tab = await signedInTab(world.owner);
    const { page, picture } = tab;
    await page.goto(at(world.owner, "talking"));
    await page.getByText("shout", { exact: true }).first().waitFor();
    await picture("server-tools");
    const kept = await neverReloaded(tab);
    await page.setViewportSize({ width: viewport.width, height: 480 });
    await page.getByRole("button", { name: "Log", exact: true }).click();
    await page.getByRole("log", { name: "Build log" }).waitFor();
    await page.getByRole("tab", { name: "Requests" }).click();
    const empty = page.getByText("No requests yet");
    await empty.waitFor();
    // What a tab opens is seen, however far down the page its tabs stand.
    await expect
      .poll(async () => {
        const box = (await empty.boundingBox())!;
        return box.y >= 0 && box.y + box.height <= 480;
      })
      .toBe(true);
    await page.setViewportSize(viewport);
    const client = await mcpClient(world, "default/talking", world.owner.key);
    expect(await callText(client, "shout")).toBe("HI");
    await client.close();
    await page.getByRole("row", { name: /tools\/call.*shout/ }).waitFor();
    await picture("server-requests");
    await page.getByRole("tab", { name: "Server log" }).click();
    await page.getByText("a line for the log").waitFor();
    await picture("server-log");
    expect(await kept()).toBe(true);
  });

  it("what a server's author wrote is shown as text and runs nothing", async () => {
    const evil = '<img src=x onerror="globalThis.owned=1"><script>globalThis.owned=1</script>';
    await deployed(world.owner, "hostile", {
      "requirements.txt": "fastmcp>=4,<5\n",
      "main.py": `from fastmcp import FastMCP

mcp = FastMCP("Hostile")
print(${JSON.stringify(evil)})


@mcp.tool(description=${JSON.stringify(evil)})
def trap() -> str:
    return "x"
`,
    });
    const { page } = await signedInTab(world.owner);
    await page.goto(at(world.owner, "hostile"));
    await page.getByText("<img src=x").filter({ visible: true }).first().waitFor();
    await page.getByRole("tab", { name: "Server log" }).click();
    expect(await page.evaluate("globalThis.owned")).toBeUndefined();
    expect(await page.locator("img[src=x]").count()).toBe(0);
  });

  it("another organization's server looks as one that is not there", async () => {
    const stranger = await world.organization("onlookers");
    await deployed(world.owner, "hidden", serverSaying("hidden"));
    const { page } = await signedInTab(stranger, { refused: [404] });
    const mains: string[] = [];
    for (const path of [
      "/o/default/servers/hidden",
      "/o/default/servers/absent",
      "/o/onlookers/servers/hidden",
    ]) {
      await page.goto(`${world.url}${path}`);
      await page.getByRole("heading", { name: "Not found" }).waitFor();
      mains.push((await page.getByRole("main").innerText()).replaceAll(/hidden|absent/g, "X"));
    }
    expect(mains[0]).toBe(mains[1]);
    await page.getByRole("link", { name: "All servers", exact: true }).click();
    await page.getByText("No servers yet").waitFor();
  });

  it("an address that is no page says so", async () => {
    const { page } = await signedInTab(world.owner, { refused: [404] });
    await page.goto(`${world.url}/nowhere`);
    expect(await seen(page.getByRole("heading", { name: "Not found" }))).toBe(true);
  });
});

/** A server whose import ends once `letGo` was called, so that its build can be looked at while it runs. */
function serverHeld(): Files {
  return {
    ...serverSaying("two"),
    "held.py":
      "import pathlib, time\n\nwhile not pathlib.Path(__file__).with_name('go').exists():\n    time.sleep(0.02)\n",
    "fastmcp.json": JSON.stringify({ source: { path: "entry.py", entrypoint: "mcp" } }),
    "entry.py": "import held\nfrom main import mcp\n",
  };
}

async function letGo(): Promise<void> {
  const artifacts = join(world.dataDir, "artifacts");
  const held = async () =>
    (await readdir(artifacts)).find(
      (digest) => !digest.startsWith(".") && existsSync(join(artifacts, digest, "code", "held.py")),
    );
  await expect.poll(held, { timeout: 60_000 }).toBeDefined();
  const code = join(artifacts, (await held())!, "code");
  // What is packaged is read-only; the instance sees this very folder.
  await chmod(code, 0o755);
  await writeFile(join(code, "go"), "");
}

function firstLine(text: string): string {
  return text.split("\n")[0]!;
}

function inside(box: { x: number; y: number; width: number; height: number }): boolean {
  return (
    box.height > 0 &&
    box.x >= 0 &&
    box.y >= 0 &&
    box.x + box.width <= viewport.width &&
    box.y + box.height <= viewport.height
  );
}
