import { expect, it } from "vitest";
import { ago, count, duration } from "../../web/format.ts";
import { paths, serverView, serverViews } from "../../web/paths.ts";

const at = { organization: "acme", server: "weather" };

it("every page has one address, and a part of it is in the query", () => {
  expect(paths.servers()).toBe("/");
  expect(paths.signIn()).toBe("/sign-in");
  expect(paths.server(at)).toBe("/o/acme/servers/weather");
  expect(paths.server(at, { view: "capabilities" })).toBe("/o/acme/servers/weather");
  expect(paths.server(at, { view: "log", build: "bld_1" })).toBe(
    "/o/acme/servers/weather?view=log&build=bld_1",
  );
  expect(paths.server({ organization: "a/b", server: "c?d" })).toBe("/o/a%2Fb/servers/c%3Fd");
});

it("an address leads back to the part that it was made for, and a wrong one to the first", () => {
  for (const view of serverViews) {
    const { searchParams } = new URL(paths.server(at, { view }), "http://offing");
    expect(serverView(searchParams)).toBe(view);
  }
  expect(serverView(new URLSearchParams("view=nothing"))).toBe("capabilities");
});

it("durations, ages and counts are short and in words", () => {
  expect([0.4, 840, 1000, 4123, 99_949, 125_000].map(duration)).toEqual([
    "0 ms",
    "840 ms",
    "1.0 s",
    "4.1 s",
    "99.9 s",
    "2 min 05 s",
  ]);
  const now = Date.parse("2026-01-10T12:00:00Z");
  const before = (seconds: number) => ago(now - seconds * 1000, now);
  expect([-5, 3, 42, 180, 7200, 86_400, 3 * 86_400].map(before)).toEqual([
    "just now",
    "just now",
    "42 s ago",
    "3 min ago",
    "2 h ago",
    "yesterday",
    "3 days ago",
  ]);
  expect([count(1, "line"), count(1200, "line")]).toEqual(["1 line", "1,200 lines"]);
});
