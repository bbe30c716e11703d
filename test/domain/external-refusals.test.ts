import { afterAll, beforeAll, expect, it } from "vitest";
import { createRefusals, keepRefusal } from "../../src/domain/servers/keep-refusal.ts";
import { refreshServer, VERDICT_MS } from "../../src/domain/servers/refresh.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { codeOf, type EraRefusal } from "../../src/snapshot/era-refusals.ts";
import { bothEras } from "../upstream/scripts.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { openWorld, type World } from "../world.ts";

/** What refusals have taught of a server that runs elsewhere, whose code may change behind its URL. */
let world: World;
let upstream: SdkServer;
let ahead = 0;
const clock = { now: () => Date.now() + ahead, monotonic: systemClock.monotonic };
beforeAll(async () => {
  world = await openWorld({ clock });
  upstream = await SdkServer.start();
  upstream.instead = bothEras;
});
afterAll(async () => {
  await upstream[Symbol.asyncDispose]();
  await world.close();
});

const context = () => world.system.context({ kind: "system", job: "test" });
const endpoint = () => world.system.services.snapshot.endpoint("default/elsewhere@live")!;
const tool = () => endpoint().manifest.items.find(({ kind }) => kind === "tool")!;
const refresh = () =>
  refreshServer(world.system.services, {
    organization: world.owner.organization,
    server: endpoint().server.id,
  });
const refusal = (era: EraRefusal["era"]): EraRefusal => ({
  organization: world.owner.organization,
  server: endpoint().server.id,
  code: codeOf(endpoint()),
  kind: "tool",
  hash: tool().hash,
  era,
});
const stored = () => world.system.services.db.selectFrom("era_refusals").select("era").execute();

it("A refusal of a server that runs elsewhere is believed as long as what was found of its eras, then met anew. [R:eras.learned-expires]", async () => {
  const input = { url: upstream.url, server: "elsewhere", allowPrivate: true };
  await world.owner.client.call("registerServer", { organization: "default" }, input);
  await refresh();
  expect(endpoint().eras).toEqual(["stateless", "handshake"]);
  await keepRefusal(context(), refusal("handshake"));
  ahead += VERDICT_MS - 60_000;
  await keepRefusal(context(), refusal("stateless"));
  await refresh();
  expect(tool().refused?.toSorted()).toEqual(["handshake", "stateless"]);

  ahead += 2 * 60_000;
  // A server that cannot be asked keeps what it has taught.
  upstream.instead = () => ({ status: 503 });
  await refresh();
  expect(tool().refused?.toSorted()).toEqual(["handshake", "stateless"]);
  // Each refusal by its own age, though nothing else of the server has changed.
  upstream.instead = bothEras;
  await refresh();
  expect(tool().refused).toEqual(["stateless"]);

  createRefusals(context()).refused(refusal("handshake"));
  expect(tool().refused?.toSorted()).toEqual(["handshake", "stateless"]);
  await expect.poll(stored).toHaveLength(2);
  ahead += VERDICT_MS - 60_000;
  await refresh();
  expect(tool().refused).toEqual(["handshake"]);
});
