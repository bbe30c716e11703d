import { type RawBuilder, sql } from "kysely";
import { afterAll, beforeAll, expect, it } from "vitest";
import { deployed } from "../deploy.ts";
import { openWorld, type World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const deploy = (server: string, main: string) =>
  deployed(world.owner, server, { "requirements.txt": "fastmcp>=4,<5\n", "main.py": main });

it("a build says what it took the server for, and how that was found", async () => {
  const { build, log } = await deploy(
    "described",
    'from fastmcp import FastMCP\n\nmcp = FastMCP("Described")\n\n\n@mcp.tool\ndef one() -> int:\n    return 1\n',
  );
  expect(build).toMatchObject({ status: "succeeded", warnings: [] });
  expect(log.join("\n")).toMatch(/FastMCP 4\.\S+ server `mcp`, found by loading main\.py/);
  expect(log).toContain("1 tool, 0 prompts, 0 resources");
});

it("what nobody foresaw is told of the step that ran, and no step is left running", async () => {
  const { db } = world.system.services;
  const broken = (sql: RawBuilder<unknown>) => sql.execute(db);
  await broken(sql`alter table selections add constraint broken check (reason <> 'deploy') not valid`);
  const { build } = await deploy(
    "unforeseen",
    'from fastmcp import FastMCP\n\nmcp = FastMCP("Unforeseen")\n',
  );
  await broken(sql`alter table selections drop constraint broken`);
  expect(build).toMatchObject({ status: "failed", error: { step: "select", code: "internal" } });
  expect(build.steps.map(({ step, status }) => [step, status])).toContainEqual(["select", "failed"]);
  expect(build.steps.filter(({ status }) => status === "running")).toEqual([]);
});

it("a server that offers nothing is live with a warning that says what to change", async () => {
  const { build, log } = await deploy(
    "hollow",
    `from fastmcp import FastMCP

mcp = FastMCP("Hollow")


def register_tools():
    @mcp.tool
    def never() -> int:
        return 1
`,
  );
  expect(build).toMatchObject({ status: "succeeded", capabilities: 0 });
  expect(build.warnings).toHaveLength(1);
  expect(build.warnings[0]).toMatch(
    /offers nothing: 0 tools.*call that function at the top level of the file/,
  );
  expect(log).toContain(`warning: ${build.warnings[0]}`);
});

it("a list that fails is a warning that names it, and the others stand", async () => {
  const { build } = await deploy(
    "partial",
    `from fastmcp import FastMCP
from fastmcp.server.middleware import Middleware


class Broken(Middleware):
    async def on_list_prompts(self, context, call_next):
        raise RuntimeError("no prompts today")


mcp = FastMCP("Partial", middleware=[Broken()])


@mcp.tool
def one() -> int:
    return 1


@mcp.prompt
def two() -> str:
    return "two"
`,
  );
  expect(build).toMatchObject({ status: "succeeded", capabilities: 1 });
  expect(build.warnings).toEqual([expect.stringContaining("prompts/list")]);
});

it("a tool that runs as an experimental task only is live with a warning, since no call can ask for that. [R:tasks.required-warned]", async () => {
  const { build } = await deployed(world.owner, "required", {
    "requirements.txt": "fastmcp[tasks]==3.4.10\n",
    "main.py": `from fastmcp import FastMCP
from fastmcp.server.tasks import TaskConfig

mcp = FastMCP("Required")


@mcp.tool(task=TaskConfig(mode="required"))
async def slow() -> int:
    return 1


@mcp.tool(task=True)
async def either() -> int:
    return 1
`,
  });
  expect(build).toMatchObject({ status: "succeeded", capabilities: 2 });
  const about = build.warnings.filter((warning) => warning.includes("runs as a task only"));
  expect(about).toEqual([expect.stringMatching(/the tool slow .* with task=True it runs as any other/)]);
});

it("a server that connects to a database at its start is told what this machine lets out", async () => {
  const { build } = await deploy(
    "connecting",
    "import socket\nsocket.create_connection(('localhost', 5432))\n",
  );
  expect(build.error).toMatchObject({ step: "inspect", code: "connection_failed" });
  expect(build.error!.hint).toContain("./offing env set connecting DATABASE_URL=VALUE");
  const words = {
    filtered: "public addresses",
    proxy: "a guarded HTTP proxy only",
    none: "no network at all",
  }[world.system.runner.isolation.egress];
  expect(build.error!.hint).toContain(words);
});
