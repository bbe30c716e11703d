import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MOST_VIRTUAL } from "../../src/domain/sessions/begin.ts";
import { callText } from "../deploy.ts";
import { at, HOUR, KeptWorld } from "../kept.ts";
import type { Caller, World } from "../world.ts";

let kept: KeptWorld;
let world: World;
let user: Caller;
beforeAll(async () => {
  kept = await KeptWorld.open();
  ({ world, user } = kept);
});
afterAll(() => kept[Symbol.asyncDispose]());

describe("A virtual session", () => {
  const set = (name: string, virtualSessions: boolean) =>
    world.owner.client.call("setServer", at(name), { virtualSessions });
  beforeAll(async () => {
    await set("kept", true);
    await set("older", true);
  });
  const stateless = (caller: Caller, name: string, path = "kept") =>
    kept.client(caller, path, { mode: { pin: "2026-07-28" }, name });

  it("is not there unless the owner wants it: two stateless calls share nothing [R:sessions.virtual-off]", async () => {
    await set("kept", false);
    const held = await stateless(user, "unwanted");
    await callText(held, "keep", { value: "lost" });
    expect(await callText(held, "kept")).toBe("None");
    expect((await kept.sessionsOf(world.owner, "kept")).map((each) => each.client?.name)).not.toContain(
      "unwanted",
    );
    await held.close();
    await set("kept", true);
  });

  it("keeps a stateless client's state for 24 hours, over restarts of everything [R:sessions.virtual-kept] [R:sessions.virtual-ends]", async () => {
    let held = await stateless(user, "agent");
    await callText(held, "keep", { value: "remembered" });
    expect(await callText(held, "kept")).toBe("remembered");
    await held.close();
    await world.restart();
    kept.later = 23 * HOUR;
    held = await stateless(user, "agent");
    expect(await callText(held, "kept")).toBe("remembered");
    kept.later = 25 * HOUR;
    expect(await callText(held, "kept")).toBe("None");
    kept.later = 0;
    await held.close();
  });

  it("is one for each principal and client, and never another principal's [R:sessions.virtual-own]", async () => {
    const other = await world.member("member");
    await world.owner.client.call("setGrant", { ...at("kept"), principal: other.id }, { role: "user" });
    const mine = await stateless(user, "shared-name");
    const theirs = await stateless(other, "shared-name");
    const second = await stateless(user, "other-name");
    await callText(mine, "keep", { value: "secret" });
    expect(await callText(theirs, "kept")).toBe("None");
    expect(await callText(second, "kept")).toBe("None");
    await callText(theirs, "keep", { value: "theirs" });
    expect(await callText(mine, "kept")).toBe("secret");
    const again = await stateless(user, "shared-name");
    expect(await callText(again, "kept")).toBe("secret");
    for (const each of [mine, theirs, second, again]) await each.close();
  });

  it("is another one for each handle that its client gives [R:sessions.virtual-handle]", async () => {
    const held = await stateless(user, "handles");
    const call = async (name: string, handle: string, args = {}) => {
      const { content } = await held.callTool({ name, arguments: args, _meta: { "offing/session": handle } });
      return content;
    };
    await call("keep", "first", { value: "of the first" });
    expect(await call("kept", "second")).toMatchObject([{ text: "None" }]);
    expect(await call("kept", "first")).toMatchObject([{ text: "of the first" }]);
    await held.close();
  });

  it("is one session at a server that is spoken to in the handshake era too", async () => {
    const held = await stateless(world.owner, "agent", "older");
    await callText(held, "keep", { value: "bridged" });
    expect(await callText(held, "kept")).toBe("bridged");
    await held.close();
  });

  it("is refused with what to do where its principal has a hundred others [R:sessions.virtual-limit]", async () => {
    const many = await world.member("member");
    await world.owner.client.call("setGrant", { ...at("kept"), principal: many.id }, { role: "user" });
    const held = await stateless(many, "many");
    const call = (handle: number) =>
      held.callTool({ name: "answer", arguments: {}, _meta: { "offing/session": String(handle) } });
    for (let i = 0; i < MOST_VIRTUAL; i++) await call(i);
    await expect(call(MOST_VIRTUAL)).rejects.toThrow("too many sessions at this server");
    await expect(call(0)).resolves.toMatchObject({ content: [{ text: "one" }] });
    await held.close();
  });

  it("is listed with its kind [R:sessions.virtual-listed]", async () => {
    const held = await stateless(user, "listed");
    await callText(held, "answer");
    expect(await kept.sessionOf(user, "kept", "listed")).toMatchObject({
      kind: "virtual",
      principal: { id: user.id },
      revision: "2026-07-28",
      state: "open",
    });
    await held.close();
  });

  it("is for what runs here only", async () => {
    await world.system.services.db
      .updateTable("servers")
      .set({ kind: "external" })
      .where("slug", "=", "older")
      .execute();
    await expect(
      world.owner.client.call("setServer", at("older"), { virtualSessions: true }),
    ).rejects.toMatchObject({ code: "precondition", message: expect.stringContaining("does not run here") });
  });
});
