import { afterAll, beforeAll, expect, it } from "vitest";
import { deployed, serverSaying } from "../deploy.ts";
import { type Program, startProgram } from "../program.ts";
import { createDatabase } from "../world.ts";

/** DATABASE_URL, also in the form that names a unix socket, which is no URL to everybody. */
let place: Awaited<ReturnType<typeof createDatabase>>;
let program: Program;
beforeAll(async () => {
  place = await createDatabase();
  const { connectionString, user, password, database, host } = place.connection;
  const socket = `postgres://${user}:${String(password)}@/${database}?host=${encodeURIComponent(host ?? "")}`;
  program = await startProgram({ DATABASE_URL: connectionString ?? socket });
});
afterAll(async () => {
  await program[Symbol.asyncDispose]();
  await place.drop();
});

it("a program on a PostgreSQL of its owner builds and serves, and starts none of its own", async () => {
  const { build } = await deployed(program.owner, "scaled", serverSaying("scaled"));
  expect(build.error).toBeNull();
  expect(program.said()).not.toContain("Starting PostgreSQL");
});
