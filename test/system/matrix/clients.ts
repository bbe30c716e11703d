import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ResourceUpdatedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import type { Era } from "../../../src/mcp/eras.ts";

export interface Calling {
  onprogress?: (at: number) => void;
  signal?: AbortSignal;
}

/** A connected client whose user, model and roots answer by themselves. */
export interface Connected extends AsyncDisposable {
  /** What the server's answer to the client's first request offers. */
  readonly offers: Readonly<Record<string, unknown>>;
  /** The text of a call's result. */
  call(name: string, args?: Record<string, unknown>, options?: Calling): Promise<string>;
  /** Resolves once updates of the resource are told; `updated` then settles with the next one. */
  subscribe(uri: string): Promise<{ readonly updated: Promise<string>; end(): Promise<void> }>;
}

export interface MatrixClient {
  readonly name: string;
  readonly era: Era;
  connect(url: string, key: string): Promise<Connected>;
}

const information = { name: "matrix", version: "1" };
const capabilities = { elicitation: {}, sampling: {}, roots: {} };
const elicited = { action: "accept" as const, content: { value: "Ada" } };
const sampled = {
  role: "assistant" as const,
  model: "a person",
  content: { type: "text" as const, text: "deep" },
};
const roots = { roots: [{ uri: "file:///home/ada" }] };

const bearer = (key: string) => ({ requestInit: { headers: { authorization: `Bearer ${key}` } } });

function options({ onprogress, signal }: Calling) {
  return {
    ...(onprogress && { onprogress: ({ progress }: { progress: number }) => onprogress(progress) }),
    ...(signal && { signal }),
  };
}

function textOf(result: unknown): string {
  const { content } = result as { content: { text?: string }[] };
  return content[0]?.text ?? "";
}

async function sdk1(url: string, key: string): Promise<Connected> {
  const client = new Client1(information, { capabilities });
  client.setRequestHandler(ElicitRequestSchema, () => elicited);
  client.setRequestHandler(CreateMessageRequestSchema, () => sampled);
  client.setRequestHandler(ListRootsRequestSchema, () => roots);
  const { promise: updated, resolve } = Promise.withResolvers<string>();
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => resolve(params.uri));
  const transport = new Transport1(new URL(url), bearer(key));
  // The SDK's transport type is not written for exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<Client1["connect"]>[0]);
  return {
    offers: client.getServerCapabilities() ?? {},
    call: async (name, args = {}, calling = {}) =>
      textOf(await client.callTool({ name, arguments: args }, undefined, options(calling))),
    async subscribe(uri) {
      await client.subscribeResource({ uri });
      return { updated, end: async () => void (await client.unsubscribeResource({ uri })) };
    },
    async [Symbol.asyncDispose]() {
      await transport.terminateSession();
      await client.close();
    },
  };
}

const sdk2 = (era: Era) =>
  async function connect(url: string, key: string): Promise<Connected> {
    const mode = era === "handshake" ? "legacy" : { pin: "2026-07-28" };
    const client = new Client2(information, { capabilities, versionNegotiation: { mode } });
    client.setRequestHandler("elicitation/create", () => elicited);
    client.setRequestHandler("sampling/createMessage", () => sampled);
    client.setRequestHandler("roots/list", () => roots);
    const { promise: updated, resolve } = Promise.withResolvers<string>();
    client.setNotificationHandler("notifications/resources/updated", ({ params }) => resolve(params.uri));
    const transport = new Transport2(new URL(url), bearer(key));
    await client.connect(transport);
    return {
      offers: client.getServerCapabilities() ?? {},
      call: async (name, args = {}, calling = {}) =>
        textOf(await client.callTool({ name, arguments: args }, options(calling))),
      async subscribe(uri) {
        if (era === "handshake") {
          await client.subscribeResource({ uri });
          return { updated, end: async () => void (await client.unsubscribeResource({ uri })) };
        }
        const subscription = await client.listen({ resourceSubscriptions: [uri] });
        if (subscription.honoredFilter.resourceSubscriptions?.includes(uri) !== true) {
          throw new Error("the subscription was not honored");
        }
        return { updated, end: () => subscription.close() };
      },
      async [Symbol.asyncDispose]() {
        await transport.terminateSession();
        await client.close();
      },
    };
  };

export const clients: readonly MatrixClient[] = [
  { name: "the TypeScript SDK 1, a handshake client", era: "handshake", connect: sdk1 },
  { name: "the TypeScript SDK 2 as a handshake client", era: "handshake", connect: sdk2("handshake") },
  { name: "the TypeScript SDK 2 as a stateless client", era: "stateless", connect: sdk2("stateless") },
];
