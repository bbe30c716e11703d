import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { expect, vi } from "vitest";
import { deployed, type Mode } from "./deploy.ts";
import type { Files } from "./fixtures/repositories.ts";
import { type Caller, openWorld, type World } from "./world.ts";

export const HOUR = 3_600_000;
export const at = (server: string) => ({ organization: "default", server });

/** A server that keeps what it is given for the session, and says how it was spoken to. */
export const keeping = (fastmcp: string, answer = "one"): Files => ({
  "requirements.txt": `fastmcp${fastmcp}\n`,
  "main.py": `from fastmcp import Context, FastMCP
from fastmcp.server.dependencies import get_http_headers

mcp = FastMCP("Kept")


@mcp.tool
def answer() -> str:
    return ${JSON.stringify(answer)}


@mcp.tool
def spoken() -> str:
    return get_http_headers(include_all=True)["mcp-protocol-version"]


@mcp.tool
async def keep(ctx: Context, value: str) -> str:
    await ctx.set_state("value", value)
    return "kept"


@mcp.tool
async def kept(ctx: Context) -> str:
    return str(await ctx.get_state("value"))


@mcp.tool
async def ask(ctx: Context) -> str:
    return (await ctx.elicit("Who are you?", response_type=str)).data


@mcp.tool
async def tell(ctx: Context) -> str:
    await ctx.info("quiet")
    await ctx.error("loud")
    return "told"
`,
});

/** A whole Offing whose clock can be put forward, with the servers `kept` (FastMCP 4) and `older` (FastMCP 3), and a user of `kept`. */
export class KeptWorld implements AsyncDisposable {
  readonly world: World;
  user!: Caller;
  /** How much later than really it is, in milliseconds. */
  later = 0;

  private constructor(world: World) {
    this.world = world;
  }

  static async open(): Promise<KeptWorld> {
    const clock = { later: () => 0 };
    const world = await openWorld({
      clock: { now: () => Date.now() + clock.later(), monotonic: () => performance.now() },
    });
    const kept = new KeptWorld(world);
    clock.later = () => kept.later;
    for (const [name, fastmcp] of [
      ["kept", ">=4,<5"],
      ["older", ">=3,<4"],
    ] as const) {
      const { build } = await deployed(world.owner, name, keeping(fastmcp));
      expect(build.error).toBeNull();
    }
    kept.user = await kept.another("user");
    return kept;
  }

  /** Another member of the organization, with a role on `kept`. */
  async another(role: "user" | "editor"): Promise<Caller> {
    const made = await this.world.member("member");
    await this.world.owner.client.call("setGrant", { ...at("kept"), principal: made.id }, { role });
    return made;
  }

  /** A real client that keeps talking to the same endpoint, wherever the program listens after a restart. */
  async client(
    caller: Caller,
    path: string,
    options: { mode?: Mode; name?: string; answer?: string; onLog?: (data: unknown) => void } = {},
  ): Promise<Client> {
    const { world } = this;
    const here = world.url;
    const made = new Client(
      { name: options.name ?? "steady", version: "7" },
      {
        versionNegotiation: { mode: options.mode ?? "legacy" },
        ...(options.answer === undefined ? {} : { capabilities: { elicitation: {} } }),
      },
    );
    if (options.answer !== undefined) {
      const value = options.answer;
      made.setRequestHandler("elicitation/create", () => ({ action: "accept" as const, content: { value } }));
    }
    if (options.onLog !== undefined) {
      const told = options.onLog;
      made.setNotificationHandler("notifications/message", ({ params }) => told(params.data));
    }
    await made.connect(
      new StreamableHTTPClientTransport(new URL(`${here}/default/${path}/mcp`), {
        requestInit: { headers: { authorization: `Bearer ${caller.key}` } },
        fetch: (url, init) => fetch(String(url).replace(here, world.url), init),
      }),
    );
    return made;
  }

  async sessionsOf(caller: Caller, name: string) {
    return (await caller.client.call("listSessions", at(name))).items;
  }

  /** The session of a client by its name, once its row is written. */
  sessionOf(caller: Caller, name: string, clientName: string) {
    return vi.waitFor(async () => {
      const found = (await this.sessionsOf(caller, name)).find((each) => each.client?.name === clientName);
      expect(found).toBeDefined();
      return found!;
    }, 5000);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world.close();
  }
}
