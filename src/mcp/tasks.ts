import { isObject, type JsonObject, meta, metaOf } from "./envelope.ts";
import type { Manifest } from "./manifest.ts";

/**
 * The tasks extension of the stateless era (SEP-2663; ext-tasks, 2026-07-28):
 * a tool call may be answered with a handle, `resultType: "task"`, whose
 * outcome `tasks/get` tells. The handshake era's experimental tasks
 * (2025-11-25, basic/utilities/tasks) are another protocol under the same
 * words: `capabilities.tasks`, `execution.taskSupport`, `params.task`.
 */
export const tasksExtension = "io.modelcontextprotocol/tasks";

/** `data` of the error -32021 to a client that did not declare the extension on its request. */
export const tasksRequired = { requiredCapabilities: { extensions: { [tasksExtension]: {} } } } as const;

/** Whether a request's envelope declares the extension. */
export function declaresTasks(params: JsonObject): boolean {
  const capabilities = metaOf(params)?.[meta.clientCapabilities];
  return isObject(capabilities) && announcesTasks(capabilities);
}

/** Whether a capability object, of a client or of a server, holds the extension. */
export function announcesTasks(capabilities: JsonObject): boolean {
  const extensions = capabilities["extensions"];
  return isObject(extensions) && isObject(extensions[tasksExtension]);
}

/** The names of tools that run as experimental tasks only, which no call through the gateway can ask for. */
export function onlyAsTasks({ items, eras }: Manifest): string[] {
  if (eras.includes("stateless")) return [];
  return items.flatMap(({ kind, name, definition }) =>
    kind === "tool" && supportsTasks(definition) && definition.execution["taskSupport"] === "required"
      ? [name]
      : [],
  );
}

/** The result of `tools/list` without `execution.taskSupport`, which means nothing in the other era. */
export function withoutTaskSupport(result: JsonObject): JsonObject {
  const { tools } = result;
  if (!Array.isArray(tools) || !tools.some(supportsTasks)) return result;
  return { ...result, tools: tools.map((tool: unknown) => (supportsTasks(tool) ? plain(tool) : tool)) };
}

function supportsTasks(tool: unknown): tool is { readonly execution: JsonObject } & JsonObject {
  return isObject(tool) && isObject(tool["execution"]) && "taskSupport" in tool["execution"];
}

function plain(tool: { readonly execution: JsonObject } & JsonObject): JsonObject {
  const { execution, ...rest } = tool;
  const { taskSupport: _, ...kept } = execution;
  return Object.keys(kept).length === 0 ? rest : { ...rest, execution: kept };
}
