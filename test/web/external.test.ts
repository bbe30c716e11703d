import { afterAll, beforeAll, expect, it } from "vitest";
import { describeIf } from "../needs.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { openWorld, type World } from "../world.ts";
import { builtPages, closeChromium, hasChromium, signedInTab, whyNot } from "./pages.ts";

let world: World;
let server: SdkServer;

describeIf(hasChromium, whyNot)("the pages of a server that runs elsewhere", () => {
  beforeAll(async () => {
    world = await openWorld({ web: await builtPages() });
    server = await SdkServer.start();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await world.close();
  });
  afterAll(closeChromium);

  it("say that it is live, when it was read, where it runs and what it offers", async () => {
    await world.owner.client.call(
      "registerServer",
      { organization: "default" },
      { url: server.url, server: "notes", allowPrivate: true },
    );
    const { page } = await signedInTab(world.owner);
    const row = page.getByRole("row", { name: /notes/ });
    await row.getByText("Live", { exact: true }).waitFor();
    expect(await row.innerText()).toContain("Runs elsewhere");
    await page.getByRole("link", { name: "notes", exact: true }).click();
    await page.getByText(server.url, { exact: true }).waitFor();
    await page.getByText("echo", { exact: true }).first().waitFor();
    expect(await page.innerText("main")).not.toContain("Nothing is live");
  });
});
