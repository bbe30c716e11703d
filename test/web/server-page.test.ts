import { afterAll, beforeAll, expect, it } from "vitest";
import { deployed, mcpClient, serverSaying, startDeploy } from "../deploy.ts";
import { describeIf } from "../needs.ts";
import { openWorld, type World } from "../world.ts";
import { builtPages, closeChromium, hasChromium, neverReloaded, signedInTab, whyNot } from "./pages.ts";

let world: World;

const at = (server: string) => `${world.url}/o/default/servers/${server}`;
const offersNothing = {
  "requirements.txt": "fastmcp>=4,<5\n",
  "main.py": "from fastmcp import FastMCP\n\nmcp = FastMCP('Silent')\n",
};

describeIf(hasChromium, whyNot)("a server's page", () => {
  beforeAll(async () => {
    world = await openWorld({ web: await builtPages() });
  });
  afterAll(() => world.close());
  afterAll(closeChromium);

  it("shows the newest build by itself and an earlier one by choice, and an address keeps the choice", async () => {
    const first = await deployed(world.owner, "twice", serverSaying("one"));
    const tab = await signedInTab(world.owner);
    const { page } = tab;
    await page.goto(at("twice"));
    await page.getByRole("heading", { name: "Last build" }).waitFor();
    const kept = await neverReloaded(tab);

    await startDeploy(world.owner, "twice", { "main.py": "raise RuntimeError('no')\n" });
    await page.getByRole("group", { name: "Why the build failed" }).waitFor();
    await page.getByText("What was live before this build serves still.").waitFor();
    expect(await page.locator('[data-state="failed"]').innerText()).toMatch(/\d m?s/);
    expect(await kept()).toBe(true);

    await page.getByRole("button", { name: "Builds" }).click();
    const choices = page.getByRole("dialog", { name: "Builds, newest first" }).getByRole("link");
    await expect.poll(() => choices.count()).toBe(2);
    expect(await choices.nth(0).innerText()).toContain("Failed");
    expect(await choices.nth(1).innerText()).toContain("live");
    await choices.nth(1).click();
    await page.getByRole("heading", { name: "Earlier build" }).waitFor();
    expect(page.url()).toBe(`${at("twice")}?build=${first.build.id}`);
    expect(await page.getByRole("group", { name: "Why the build failed" }).count()).toBe(0);
    await page.reload();
    await page.getByRole("heading", { name: "Earlier build" }).waitFor();
    await page.getByRole("link", { name: "To the newest" }).click();
    await page.getByRole("group", { name: "Why the build failed" }).waitFor();
    expect(page.url()).toBe(at("twice"));
  });

  it("tells what each tool takes, as a table, and an example that can be typed", async () => {
    const tool =
      '@mcp.tool\ndef plan(days: int, city: str = "Kiel") -> str:\n    """Plans a trip."""\n    return city\n';
    await deployed(world.owner, "planner", {
      ...serverSaying("unused"),
      "main.py": `from fastmcp import FastMCP\n\nmcp = FastMCP("Planner")\n\n\n${tool}`,
    });
    const { page } = await signedInTab(world.owner);
    await page.goto(at("planner"));
    await page.getByText("Plans a trip.").filter({ visible: true }).first().waitFor();
    const table = page.getByRole("table", { name: "Arguments of plan" });
    expect((await table.getByRole("row", { name: "days" }).innerText()).split(/\s+/)).toEqual(
      expect.arrayContaining(["days", "integer", "required"]),
    );
    expect(await table.getByRole("row", { name: "city" }).innerText()).toContain('"Kiel"');
    await page.getByRole("tab", { name: "Requests" }).click();
    await page.getByText(`./offing call planner plan '{"days":1}'`).waitFor();
  });

  it("says in words that a server offers nothing, there and in the list", async () => {
    const { build } = await deployed(world.owner, "silent", offersNothing);
    expect(build.warnings).toHaveLength(1);
    const { page } = await signedInTab(world.owner);
    const row = page.getByRole("row", { name: /silent/ });
    await row.getByText("offers nothing").waitFor();
    await row.getByRole("link", { name: "silent" }).click();
    await page.getByText("The server runs, but offers nothing").waitFor();
    await page.getByText(build.warnings[0]!.slice(0, 40)).first().waitFor();
  });

  it("names who was refused, where and why, among the requests", async () => {
    await deployed(world.owner, "guarded", serverSaying("guarded"));
    const { page } = await signedInTab(world.owner);
    await page.goto(`${at("guarded")}?view=requests`);
    await page.getByText("No requests yet").waitFor();
    const client = await mcpClient(world, "default/guarded", world.owner.key);
    await client.listTools();
    await client.close();
    await page
      .getByRole("row", { name: /tools\/list/ })
      .getByText("you", { exact: true })
      .waitFor();
    await fetch(`${world.url}/default/guarded/mcp`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${world.owner.key}` },
      body: "{",
    });
    const refused = page.getByRole("row", { name: /stopped at protocol/ });
    await refused.waitFor();
    expect(await refused.innerText()).toContain("400");
  });

  it("is read with the keyboard alone: its parts by arrow keys, what folds by Enter", async () => {
    await deployed(world.owner, "keyed", serverSaying("keyed"));
    const { page } = await signedInTab(world.owner);
    await page.getByRole("link", { name: "keyed" }).focus();
    await page.keyboard.press("Enter");
    // A page that a link leads to is told by its heading.
    await expect
      .poll(() => page.evaluate("document.activeElement.tagName + document.activeElement.textContent"))
      .toBe("H1keyed");
    await page.getByRole("tab", { name: "Capabilities" }).focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await page.getByText("No requests yet").waitFor();
    expect(page.url()).toBe(`${at("keyed")}?view=requests`);
    const log = page.getByRole("button", { name: "Log", exact: true });
    await log.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("log", { name: "Build log" }).waitFor();
    expect(await log.getAttribute("aria-expanded")).toBe("true");
  });
});
