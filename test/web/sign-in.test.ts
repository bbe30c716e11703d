import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { tokenOf } from "../http/browser.ts";
import { describeIf } from "../needs.ts";
import { openWorld, type World } from "../world.ts";
import { builtPages, closeChromium, hasChromium, openTab, seen, signedInTab, whyNot } from "./pages.ts";

let world: World;
let ahead = 0;
let isBuilt = true;

describeIf(hasChromium, whyNot)("signing in to the pages", () => {
  beforeAll(async () => {
    const clock = { ...systemClock, now: () => Date.now() + ahead };
    const built = await builtPages();
    const web = {
      files: () => (isBuilt ? built.files() : undefined),
      // Who learns that they are missing finds them the next time.
      missing() {
        isBuilt = true;
        return { why: "Its pages are being built.", soon: true };
      },
    };
    world = await openWorld({ web, clock });
  });
  afterAll(() => world.close());
  afterAll(closeChromium);

  const newLink = async () =>
    (await world.owner.client.call("createSignInLink", { organization: "default" })).url;
  const failed = { refused: [401] };

  it("the link leads to the servers, and its token is nowhere to be seen afterwards", async () => {
    const { page, picture } = await openTab();
    const link = await newLink();
    await page.goto(link);
    await page.getByRole("heading", { name: "Servers" }).waitFor();
    expect(page.url()).toBe(`${world.url}/`);
    const token = tokenOf(link);
    expect(await page.content()).not.toContain(token);
    await picture("servers-empty");
    // The way back leads to where one was before the link, not to a link that is used up.
    await page.goBack();
    expect(page.url()).toBe("about:blank");
  });

  it("no script of a page reads the cookie, and none lies elsewhere", async () => {
    const { page } = await signedInTab(world.owner);
    expect(await page.evaluate("document.cookie")).toBe("");
    expect(await page.evaluate("localStorage.length + sessionStorage.length")).toBe(0);
  });

  it("the link under another name of this machine ends at the right one, signed in", async () => {
    const { page } = await openTab();
    await page.goto((await newLink()).replace("localhost", "127.0.0.1"));
    await page.getByRole("heading", { name: "Servers" }).waitFor();
    expect(page.url()).toBe(`${world.url}/`);
  });

  it("a link that was used says so, and how to get another", async () => {
    const link = await newLink();
    const first = await openTab();
    await first.page.goto(link);
    await first.page.getByRole("heading", { name: "Servers" }).waitFor();
    const { page, picture } = await openTab(failed);
    await page.goto(link);
    await page.getByText("used already").waitFor();
    await expect.poll(() => page.getByText("./offing sign-in").count()).toBeGreaterThan(0);
    await picture("sign-in-used");
  });

  it("a link that has expired says so", async () => {
    const link = await newLink();
    ahead = 16 * 60_000;
    try {
      const { page } = await openTab(failed);
      await page.goto(link);
      expect(await seen(page.getByText("has expired"))).toBe(true);
    } finally {
      ahead = 0;
    }
  });

  it("a token that is none is refused in words", async () => {
    const { page } = await openTab(failed);
    await page.goto(`${world.url}/sign-in#token=offlink_nonsense`);
    expect(await seen(page.getByText("no sign-in link of this Offing"))).toBe(true);
  });

  it("a new link works in the tab in which another one did not", async () => {
    const { page } = await openTab(failed);
    await page.goto(`${world.url}/sign-in#token=offlink_nonsense`);
    await page.getByText("no sign-in link of this Offing").waitFor();
    await page.goto(await newLink());
    await page.getByRole("heading", { name: "Servers" }).waitFor();
    expect(page.url()).toBe(`${world.url}/`);
  });

  it("a link is not lost where the program cannot answer: it works when tried again", async () => {
    const { page, picture } = await openTab({ refused: [500] });
    const broken = { code: "internal", title: "x", status: 500, detail: "something went wrong here" };
    const route = "**/api/v1/web-session";
    await page.route(route, (call) => call.fulfill({ status: 500, json: broken }));
    const link = await newLink();
    await page.goto(link);
    await page.getByText("Something went wrong here.").waitFor();
    expect(page.url()).toBe(`${world.url}/sign-in`);
    expect(await page.content()).not.toContain(tokenOf(link));
    await picture("sign-in-again");
    await page.unroute(route);
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("heading", { name: "Servers" }).waitFor();
    expect(page.url()).toBe(`${world.url}/`);
  });

  it("nor where nothing answers for a while, and then it works by itself", async () => {
    const { page } = await openTab({ refused: [502] });
    let calls = 0;
    await page.route("**/api/v1/web-session", (call) =>
      ++calls === 1 ? call.fulfill({ status: 502, body: "Bad gateway" }) : call.continue(),
    );
    await page.goto(await newLink());
    await page.getByRole("heading", { name: "Servers" }).waitFor();
    expect(calls).toBe(2);
  });

  it("nor while the pages are being built, for which it waits", async () => {
    const { page } = await openTab();
    const link = await newLink();
    isBuilt = false;
    const going = page.goto(link);
    await expect.poll(() => isBuilt).toBe(true);
    await going;
    await page.getByRole("heading", { name: "Servers" }).waitFor();
    expect(page.url()).toBe(`${world.url}/`);
  });

  it("who is not signed in is told how, whatever page they came for", async () => {
    const { page, picture } = await openTab(failed);
    for (const path of ["/", "/o/default/servers/any"]) {
      await page.goto(`${world.url}${path}`);
      await page.getByRole("heading", { name: "You are not signed in" }).waitFor();
      expect(await page.getByText("./offing sign-in").count()).toBeGreaterThan(0);
    }
    await picture("signed-out");
  });

  it("who signs out is out, also for the browser's way back", async () => {
    const { page } = await signedInTab(world.owner, failed);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "You are not signed in" }).waitFor();
    await page.goto(`${world.url}/`);
    await page.getByRole("heading", { name: "You are not signed in" }).waitFor();
    const rows = await world.system.services.db.selectFrom("audit").select("action").execute();
    expect(rows.map(({ action }) => action)).toContain("web_session.end");
  });
});
