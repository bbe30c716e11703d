import type { Client } from "@modelcontextprotocol/client";
import { shellWord } from "../../lib/shell.ts";
import { withMcp } from "../mcp.ts";
import { failed, type Line, line, notApplicable, passed, type Scene } from "./line.ts";

/** Three representatives are enough, and each is somebody's server at work. */
const CALLS = 3;

type Tool = Awaited<ReturnType<Client["listTools"]>>["tools"][number];

/** Lists and calls through the endpoint, as any MCP client does. */
export async function checkEndpoint(scene: Scene): Promise<Line[]> {
  const { cli, at, server, made, me } = scene;
  const through = { endpoint: server.endpoint, client: scene.client };
  let tools: Tool[] | undefined;
  const listed = await line(
    "hosted",
    "Clients list through the endpoint what the live build was found to offer",
    async () => {
      const offered = await withMcp(cli, at, everything, through);
      tools = offered.tools;
      made.push({ method: "tools/list", principal: me.principal });
      const { items } = await cli.client.call("listCapabilities", at);
      const seen = new Set([
        ...offered.tools.map(({ name }) => `tool ${name}`),
        ...offered.prompts.map((name) => `prompt ${name}`),
        ...offered.resources.map((uri) => `resource ${uri}`),
        ...offered.templates.map((template) => `resource_template ${template}`),
      ]);
      if (seen.size === 0 && items.length === 0)
        return failed(
          "the server offers no tool, prompt or resource",
          `look at ./offing logs ${at.server} --build for what was found in its code`,
        );
      const gone = items.map(({ kind, name }) => `${kind} ${name}`).filter((each) => !seen.has(each));
      if (gone.length > 0)
        return failed(
          `the build found ${gone.join(", ")}, which the endpoint does not list`,
          `./offing logs ${at.server} says what the server printed; deploy again if its list is another now`,
        );
      const { prompts, resources, templates } = offered;
      return passed(
        `${tools.length} tools, ${prompts.length} prompts, ${resources.length} resources, ${templates.length} resource templates`,
      );
    },
  );
  const called = await line("hosted", "Representative tools answer a call through the endpoint", async () => {
    if (tools === undefined)
      return notApplicable("the list failed, so it is not known which tool may be called");
    if (tools.length === 0) return notApplicable("the server has no tools");
    const safe = tools.filter(isSafe).slice(0, CALLS);
    const first = tools[0]!.name;
    const byHand = `./offing call ${at.server} ${shellWord(first)} '{…}'`;
    if (safe.length === 0)
      return notApplicable(
        "no tool says that it only reads (readOnlyHint) and takes no argument, so none was called",
        byHand,
      );
    const answers = await withMcp(cli, at, (client) => calls(client, safe, scene), through);
    const broken = answers.filter(({ error }) => error !== null);
    if (broken.length > 0) {
      return failed(
        broken.map(({ name, error }) => `${name}: ${error}`).join("; "),
        `./offing logs ${at.server} says what the server printed`,
      );
    }
    return passed(`called ${answers.map(({ name }) => name).join(", ")}`);
  });
  const inspector = await line("hosted", "The inspector page lists and calls them too", () =>
    notApplicable("there is no inspector page; the two lines above ask the endpoint itself"),
  );
  return [listed, called, inspector];
}

/** What the server says of itself: that a tool only reads, and needs nothing to do so. */
function isSafe({ annotations, inputSchema }: Tool): boolean {
  return annotations?.readOnlyHint === true && (inputSchema.required ?? []).length === 0;
}

/** A server may hand out cursors for ever. */
const PAGES = 100;

async function everything(client: Client) {
  const has = client.getServerCapabilities() ?? {};
  const at = (cursor: string | undefined) => (cursor === undefined ? {} : { cursor });
  const tools: Tool[] = await read(async (cursor) => {
    const { tools: items, nextCursor: next } = await client.listTools(at(cursor));
    return { items, next };
  });
  const prompts = await names(has.prompts, async (cursor) => {
    const { prompts: items, nextCursor: next } = await client.listPrompts(at(cursor));
    return { items: items.map(({ name }) => name), next };
  });
  const resources = await names(has.resources, async (cursor) => {
    const { resources: items, nextCursor: next } = await client.listResources(at(cursor));
    return { items: items.map(({ uri }) => uri), next };
  });
  const templates = await names(has.resources, async (cursor) => {
    const { resourceTemplates: items, nextCursor: next } = await client.listResourceTemplates(at(cursor));
    return { items: items.map(({ uriTemplate }) => uriTemplate), next };
  });
  return { tools, prompts, resources, templates };
}

type Page<T> = (cursor?: string) => Promise<{ items: T[]; next: string | undefined }>;

function names(capability: unknown, page: Page<string>): Promise<string[]> {
  return capability === undefined ? Promise.resolve([]) : read(page);
}

async function read<T>(page: Page<T>): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < PAGES; pages++) {
    const { items, next } = await page(cursor);
    all.push(...items);
    if (next === undefined) return all;
    cursor = next;
  }
  throw new Error(`a list has no end: ${PAGES} pages were read`);
}

async function calls(
  client: Client,
  tools: readonly Tool[],
  { made, me }: Scene,
): Promise<{ name: string; error: string | null }[]> {
  const answers: { name: string; error: string | null }[] = [];
  for (const { name } of tools) {
    const answer = await client.callTool({ name, arguments: {} });
    made.push({ method: "tools/call", principal: me.principal });
    const [part] = answer.content;
    const words = part?.type === "text" ? part.text.split("\n")[0]! : "an error without words";
    answers.push({ name, error: answer.isError === true ? words : null });
  }
  return answers;
}
