import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import type { Manifest } from "../../mcp/manifest.ts";
import type { Principal } from "../../policy/decide.ts";
import type { Endpoint } from "../../snapshot/snapshot.ts";
import { SUBSCRIPTION_BYTES } from "../../snapshot/session.ts";
import { Refusal } from "../refusal.ts";
import { listChanged, type ListKind, listKinds, mayRead } from "./visible.ts";

/** What one stream is to be told. */
export interface Filter {
  readonly lists: ReadonlySet<ListKind>;
  /** URIs of resources whose updates are told. */
  readonly uris: ReadonlySet<string>;
  /** Tasks, by the upstream's own ids. */
  readonly tasks: ReadonlySet<string>;
}

/** Resources that one stream or session is told of at most. */
export const SUBSCRIPTIONS_MOST = 256;
const URI_CHARACTERS = 4096;

const flags: Readonly<Record<ListKind, string>> = {
  tools: "toolsListChanged",
  prompts: "promptsListChanged",
  resources: "resourcesListChanged",
};

const listOf = new Map(listKinds.map((kind) => [listChanged[kind], kind]));

/** What `params.notifications` of a `subscriptions/listen` asks for, tasks aside. Throws the refusal of what is none. */
export function readFilter(params: JsonObject): Filter {
  const asked = params["notifications"];
  if (!isObject(asked)) throw invalid("params.notifications must be an object.");
  const lists = listKinds.filter((kind) => {
    const value = asked[flags[kind]];
    if (value !== undefined && typeof value !== "boolean") {
      throw invalid(`params.notifications.${flags[kind]} must be true or false.`);
    }
    return value === true;
  });
  const uris = asked["resourceSubscriptions"] ?? [];
  if (!Array.isArray(uris) || !uris.every(isUri)) {
    throw invalid("params.notifications.resourceSubscriptions must be a list of URIs.");
  }
  if (uris.length > SUBSCRIPTIONS_MOST) {
    throw invalid(
      `params.notifications.resourceSubscriptions names more than ${SUBSCRIPTIONS_MOST} resources.`,
    );
  }
  if (bytesOf(uris) > SUBSCRIPTION_BYTES) {
    throw invalid(
      `params.notifications.resourceSubscriptions has URIs of more than ${SUBSCRIPTION_BYTES} bytes in all.`,
    );
  }
  return { lists: new Set(lists), uris: new Set(uris), tasks: new Set() };
}

/** Whether text can be the URI of a resource that is subscribed to. */
export function isUri(value: unknown): value is string {
  return (
    typeof value === "string" &&
    value.length <= URI_CHARACTERS &&
    /^[\x21-\x7e\u0080-\u{10ffff}]+$/u.test(value)
  );
}

/** Of all of them as UTF-8. */
export function bytesOf(uris: readonly string[]): number {
  return uris.reduce((sum, uri) => sum + Buffer.byteLength(uri), 0);
}

/** What of it can be told: lists that the server has, and updates where it announces them to who may read. */
export function honoured(filter: Filter, endpoint: Endpoint, principal: Principal): Filter {
  const { manifest } = endpoint;
  return {
    lists: new Set([...filter.lists].filter((kind) => manifest.capabilities[kind] !== undefined)),
    uris: tellsUpdates(manifest) && mayRead(endpoint, principal) ? filter.uris : none,
    tasks: filter.tasks,
  };
}

const none: ReadonlySet<string> = new Set();

/** Whether a server says that resources can be subscribed to. */
export function tellsUpdates({ capabilities }: Manifest): boolean {
  const resources = capabilities["resources"];
  return isObject(resources) && resources["subscribe"] === true;
}

/** The filter as `params.notifications` says it; `tasks` as the reader of it names them. */
export function filterObject(
  { lists, uris, tasks }: Filter,
  taskIds: readonly string[] = [...tasks],
): JsonObject {
  return {
    ...Object.fromEntries([...lists].map((kind) => [flags[kind], true])),
    ...(uris.size === 0 ? {} : { resourceSubscriptions: [...uris] }),
    ...(taskIds.length === 0 ? {} : { taskIds }),
  };
}

/** Whether a stream with this filter is to be told a notification. */
export function passes(filter: Filter, message: JsonObject): boolean {
  const { method, params } = message;
  if (typeof method !== "string" || "id" in message) return false;
  const list = listOf.get(method);
  if (list !== undefined) return filter.lists.has(list);
  if (!isObject(params)) return false;
  if (method === "notifications/resources/updated") return filter.uris.has(textOf(params["uri"]));
  return method === "notifications/tasks" && filter.tasks.has(textOf(params["taskId"]));
}

/** Of what is none, the empty text: a number that is kept as it was written cannot be made one. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The list that a notification says has changed. */
export function changedList(message: JsonObject): ListKind | undefined {
  return listOf.get(String(message["method"]));
}

/** Everything that any of them is to be told. */
export function union(filters: Iterable<Filter>): Filter {
  const lists = new Set<ListKind>();
  const uris = new Set<string>();
  const tasks = new Set<string>();
  for (const filter of filters) {
    for (const kind of filter.lists) lists.add(kind);
    for (const uri of filter.uris) uris.add(uri);
    for (const task of filter.tasks) tasks.add(task);
  }
  return { lists, uris, tasks };
}

export function isSame(one: Filter, other: Filter): boolean {
  return covers(one, other) && covers(other, one);
}

function covers(wide: Filter, narrow: Filter): boolean {
  return (
    within(narrow.lists, wide.lists) && within(narrow.uris, wide.uris) && within(narrow.tasks, wide.tasks)
  );
}

function within(narrow: ReadonlySet<string>, wide: ReadonlySet<string>): boolean {
  for (const each of narrow) if (!wide.has(each)) return false;
  return true;
}

function invalid(message: string): Refusal {
  return new Refusal("protocol", 400, message, { code: codes.invalidParams });
}
