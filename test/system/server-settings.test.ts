import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callText } from "../deploy.ts";
import { at, KeptWorld } from "../kept.ts";
import type { Caller, World } from "../world.ts";

let kept: KeptWorld;
let world: World;
let user: Caller;
beforeAll(async () => {
  kept = await KeptWorld.open();
  ({ world, user } = kept);
});
afterAll(() => kept[Symbol.asyncDispose]());

describe("What an owner fixes of a server", () => {
  it("is shown, and one part is set without touching the other [R:sessions.server-settings]", async () => {
    const { client: api } = world.owner;
    expect(await api.call("getServer", at("kept"))).toMatchObject({
      upstreamEra: "auto",
      virtualSessions: false,
    });
    await api.call("setServer", at("kept"), { upstreamEra: "stateless" });
    await api.call("setServer", at("kept"), { virtualSessions: true });
    const { items } = await api.call("listServers", { organization: "default" });
    expect(items.find(({ slug }) => slug === "kept")).toMatchObject({
      upstreamEra: "stateless",
      virtualSessions: true,
    });
    await api.call("setServer", at("kept"), { upstreamEra: "auto", virtualSessions: false });
    const actions = await world.system.services.db
      .selectFrom("audit")
      .select("action")
      .where("action", "=", "server.set")
      .execute();
    expect(actions).toHaveLength(3);
  });

  it("is its admins' alone, and is never nothing", async () => {
    await expect(user.client.call("setServer", at("kept"), { virtualSessions: true })).rejects.toMatchObject({
      code: "forbidden",
      message: expect.stringContaining('"administer"'),
    });
    await expect(world.owner.client.call("setServer", at("kept"), {})).rejects.toMatchObject({
      code: "invalid",
    });
  });

  it("decides in which era its upstream is spoken to, from the next call on [R:sessions.upstream-era]", async () => {
    const stateless = await kept.client(user, "kept", { mode: { pin: "2026-07-28" } });
    const handshake = await kept.client(user, "kept");
    expect(await callText(stateless, "spoken")).toBe("2026-07-28");
    expect(await callText(handshake, "spoken")).toBe("2025-11-25");
    await world.owner.client.call("setServer", at("kept"), { upstreamEra: "handshake" });
    expect(await callText(stateless, "spoken")).toBe("2025-11-25");
    expect(await callText(handshake, "spoken")).toBe("2025-11-25");
    await world.owner.client.call("setServer", at("kept"), { upstreamEra: "auto" });
    expect(await callText(stateless, "spoken")).toBe("2026-07-28");
    await stateless.close();
    await handshake.close();
  });

  it("cannot be an era that what serves does not answer in [R:sessions.upstream-era-refused]", async () => {
    await expect(
      world.owner.client.call("setServer", at("older"), { upstreamEra: "stateless" }),
    ).rejects.toMatchObject({
      code: "precondition",
      message: expect.stringContaining("older answers only in the handshake era"),
      hint: expect.stringContaining("servers set older --upstream-era auto"),
    });
    expect((await world.owner.client.call("getServer", at("older"))).upstreamEra).toBe("auto");
  });
});
