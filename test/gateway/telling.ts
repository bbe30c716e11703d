import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Era } from "../../src/mcp/eras.ts";
import type { Manifest } from "../../src/mcp/manifest.ts";
import { createLocalRunner, type LocalRunner } from "../../src/runner/local.ts";
import type { Target } from "../../src/runner/runner.ts";
import { discover } from "../../src/upstream/discover.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { bwrap, environment, python } from "../fixtures/environments.ts";
import { TestGateway } from "./harness.ts";

/**
 * A server of both eras that tells by itself: tool `touch` updates a resource,
 * and tells whoever is subscribed to it; tool `grow` adds a tool, and says so
 * to all who listen.
 */
const source = `
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ToolsListChanged

NAMES = ["touch", "grow", "log", "watchers"]
bus = InMemorySubscriptionBus()
sessions = {}
subscribed = {}

def of(context):
    return context.request.headers["mcp-session-id"]
async def tools(context, params):
    return types.ListToolsResult(tools=[types.Tool(name=name, input_schema={"type": "object"}) for name in NAMES])
async def resources(context, params):
    listed = [types.Resource(uri=f"note://{name}", name=name) for name in ("one", "two")]
    return types.ListResourcesResult(resources=listed)
async def read(context, params):
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=params.uri, text="text")])
async def subscribe(context, params):
    subscribed.setdefault(str(params.uri), {})[of(context)] = context.session
    return types.EmptyResult()
async def unsubscribe(context, params):
    subscribed.get(str(params.uri), {}).pop(of(context), None)
    return types.EmptyResult()
async def call(context, params):
    arguments = params.arguments or {}
    text = "done"
    if params.name == "touch":
        await bus.publish(ResourceUpdated(uri=arguments["uri"]))
        for session in subscribed.get(arguments["uri"], {}).values():
            await session.send_resource_updated(arguments["uri"])
    elif params.name == "grow":
        NAMES.append(f"grown{len(NAMES)}")
        await bus.publish(ToolsListChanged())
        for listeners in subscribed.values():
            for session in listeners.values():
                await session.send_tool_list_changed()
    elif params.name == "watchers":
        text = ",".join(sorted(f"{uri} {len(held)}" for uri, held in subscribed.items() if held))
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])
server = Server(
    "telling", on_list_tools=tools, on_call_tool=call, on_list_resources=resources, on_read_resource=read,
    on_subscribe_resource=subscribe, on_unsubscribe_resource=unsubscribe,
    on_subscriptions_listen=ListenHandler(bus),
)
`;

/** A real Python server, run by the platform's own runner. */
export class Running implements AsyncDisposable {
  readonly runner: LocalRunner;
  readonly target: Target;
  readonly manifest: Manifest;
  readonly #folder: string;

  constructor(runner: LocalRunner, target: Target, manifest: Manifest, folder: string) {
    this.runner = runner;
    this.target = target;
    this.manifest = manifest;
    this.#folder = folder;
  }

  static async start(
    slug: string,
    given: { source?: string; requirements?: readonly string[] } = {},
  ): Promise<Running> {
    const folder = mkdtempSync(join(tmpdir(), "offing-telling-"));
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, "main.py"), given.source ?? source);
    const located = {
      code: folder,
      environment: await environment(given.requirements ?? ["mcp>=2,<3", "uvicorn"]),
      entrypoint: "main.py",
      object: null,
      pythonPath: [],
      variables: {},
    };
    const runner = await createLocalRunner({
      python,
      bwrap,
      artifacts: { locate: async () => located },
      lines: { write: () => {} },
    });
    const target = targetOf(slug);
    const lease = await runner.acquire(target);
    const pools = createPools();
    const manifest = await discover(pools.at(lease.address));
    await pools.close();
    lease.release();
    return new Running(runner, target, manifest, folder);
  }

  /** Puts it behind the gate; answers the URL of its endpoint. */
  publish(world: TestGateway, slug: string, eras?: readonly Era[]): string {
    return world.publish(slug, {
      address: () => this.runner.acquire(this.target),
      manifest: this.manifest,
      ...(eras === undefined ? {} : { eras }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The server that tells, spoken to in one era, behind a gateway; and a key for it. */
export async function gated(era: Era) {
  const running = await Running.start("telling");
  const world = await TestGateway.start();
  return {
    running,
    world,
    url: running.publish(world, "telling", [era]),
    key: world.key({ roles: { telling: "user" } }).key,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await running[Symbol.asyncDispose]();
    },
  };
}

function targetOf(slug: string): Target {
  return {
    organization: "org_acme",
    server: `srv_acme_${slug}`,
    artifact: "a".repeat(64),
    scope: "production",
    variables: null,
  };
}

export interface Told {
  readonly method: string;
  readonly params?: Record<string, unknown> | undefined;
}

/** What one client was told, in order. */
export class Inbox {
  readonly told: Told[] = [];
  #waiting: (() => void)[] = [];

  put(message: Told): void {
    this.told.push(message);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when as many of this method have come, or as are for `uri`. */
  async of(method: string, count = 1, uri?: string): Promise<Told[]> {
    for (;;) {
      const found = this.told.filter(
        (message) => message.method === method && (uri === undefined || message.params?.["uri"] === uri),
      );
      if (found.length >= count) return found;
      await new Promise<void>((wake) => this.#waiting.push(wake));
    }
  }
}

export const methods = {
  tools: "notifications/tools/list_changed",
  prompts: "notifications/prompts/list_changed",
  resources: "notifications/resources/list_changed",
  updated: "notifications/resources/updated",
} as const;

/** A client of the official SDK in one era, and what it is told. */
export async function connect(url: string, key: string, era: Era) {
  const inbox = new Inbox();
  const mode = era === "stateless" ? { pin: "2026-07-28" } : "legacy";
  const client = new Client(
    { name: "sdk-2", version: "1" },
    { versionNegotiation: { mode: mode as "legacy" } },
  );
  for (const method of Object.values(methods)) {
    client.setNotificationHandler(method, (notification) => inbox.put(notification as Told));
  }
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { Authorization: `Bearer ${key}` } },
  });
  await client.connect(transport);
  const call = async (name: string, args: Record<string, unknown> = {}) => {
    const { content } = await client.callTool({ name, arguments: args });
    return (content as { text?: string }[])[0]?.text;
  };
  return { client, inbox, call, [Symbol.asyncDispose]: () => client.close() };
}
