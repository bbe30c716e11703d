import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createClient } from "../../src/contract/client.ts";
import { bootstrap } from "../../src/domain/organizations/bootstrap.ts";
import { openWorld } from "../world.ts";

it("two programs that start first on one database make one organization, and each key opens it", async () => {
  await using world = await openWorld();
  const ctx = world.system.context({ kind: "system", job: "test" });
  await world.system.services.db
    .updateTable("organizations")
    .set({ slug: "moved" })
    .where("slug", "=", "default")
    .execute();
  await world.system.services.db.updateTable("users").set({ email: "moved@localhost" }).execute();
  const folder = await mkdtemp(join(tmpdir(), "offing-bootstrap-"));
  const files = ["one", "two", "three"].map((name) => join(folder, name));
  const owners = await Promise.all(files.map((file) => bootstrap(ctx, file)));
  expect(owners.filter((owner) => owner.first).length).toBe(1);
  expect(new Set(owners.map((owner) => owner.organization)).size).toBe(1);
  for (const file of files) {
    const key = (await readFile(file, "utf8")).trim();
    const me = await createClient({ url: world.url, key }).call("me", {});
    expect(me.organization).toMatchObject({ slug: "default", role: "owner" });
  }
});
