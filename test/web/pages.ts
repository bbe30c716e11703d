import type { Locator } from "playwright-core";
import { afterEach, expect, vi } from "vitest";
import { createLog } from "../../src/lib/log.ts";
import { openWeb, type Web } from "../../src/main/web.ts";
import { testCache } from "../cache.ts";
import type { Caller } from "../world.ts";
import { type Chromium, startChromium, type Tab } from "./browser.ts";

// A build, a browser and whatever else runs share few cores.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
const started = await startChromium();

/** For `describeIf`: whether Chromium runs here, and why not. */
export const hasChromium = "chromium" in started;
export const whyNot = "reason" in started ? started.reason : "";

export async function closeChromium(): Promise<void> {
  if ("chromium" in started) await started.chromium.close();
}

/** The pages of this checkout as they are now: a program started from here serves the same. */
export async function builtPages(): Promise<Web> {
  const logged: string[] = [];
  const log = createLog((line) => void logged.push(line));
  const web = await openWeb({ cacheDir: testCache, log, say: () => {} });
  await web.refresh();
  if (web.files() === undefined) throw new Error(`the pages could not be built:\n${logged.join("")}`);
  return web;
}

const tabs: Tab[] = [];

/** A new browser, closed when the test ends; a test fails in which a page did. */
export async function openTab(options?: Parameters<Chromium["open"]>[0]): Promise<Tab> {
  if (!("chromium" in started)) throw new Error(started.reason);
  const tab = await started.chromium.open(options);
  tabs.push(tab);
  return tab;
}

afterEach(async () => {
  const open = tabs.splice(0);
  const problems = open.flatMap((tab) => tab.problems);
  for (const tab of open) await tab.close();
  expect(problems).toEqual([]);
});

/** A browser that is signed in as `caller`, at the list of servers. */
export async function signedInTab(caller: Caller, options?: Parameters<Chromium["open"]>[0]): Promise<Tab> {
  const { url } = await caller.client.call("createSignInLink", { organization: caller.slug });
  const tab = await openTab(options);
  await tab.page.goto(url);
  await tab.page.getByRole("heading", { name: "Servers" }).waitFor();
  return tab;
}

/** Marks a page, so that a reload shows: what a script left is gone then. */
export async function neverReloaded({ page }: Tab): Promise<() => Promise<boolean>> {
  await page.evaluate("globalThis.kept = true");
  return async () => (await page.evaluate("globalThis.kept")) === true;
}

/** Waits until a part of a page is visible; then true. */
export async function seen(part: Locator): Promise<true> {
  await part.waitFor();
  return true;
}
