import { expect } from "vitest";
import { environment } from "../fixtures/environments.ts";
import { startError, world } from "./harness.ts";

export interface Case {
  readonly what: string;
  readonly files: Readonly<Record<string, string>>;
  readonly requirements?: readonly string[];
  readonly object?: string;
  readonly entrypoint?: string;
  readonly variables?: Readonly<Record<string, string>>;
}

/** The failure of a server that is loaded and does not get ready. */
export async function failureOf(one: Case) {
  const { runner, deploy } = await world();
  const target = await deploy({
    files: one.files,
    entrypoint: one.entrypoint ?? "main.py",
    object: one.object ?? null,
    variables: one.variables ?? {},
    ...(one.requirements === undefined ? {} : { environment: await environment(one.requirements) }),
  });
  const error = await startError(runner.acquire(target));
  expect(error).toMatchObject({ name: "StartError", reason: "load" });
  return error;
}

/** A FastMCP server whose lifespan does this. */
export const lifespan = (body: string) => `import os
from contextlib import asynccontextmanager
from fastmcp import FastMCP

@asynccontextmanager
async def life(server):
${body.replace(/^/gm, "    ")}
    yield

mcp = FastMCP("x", lifespan=life)
`;
