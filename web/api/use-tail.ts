import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { StreamEvent } from "../../src/contract/client.ts";
import { type Following, useStream } from "./use-stream.ts";

interface Options<T> {
  /** Identifies the list; another one begins anew. */
  readonly of: string;
  readonly keep: number;
  /** The newest items, newest first. */
  list(signal: AbortSignal): Promise<{ readonly items: readonly T[] }>;
  follow(from: { since: string; after?: string; signal: AbortSignal }): AsyncGenerator<StreamEvent<T>>;
}

export interface Tail<T> {
  /** Oldest first; undefined until they are read. */
  readonly items: readonly T[] | undefined;
  /** Whether there were more than are kept here. */
  readonly more: boolean;
  readonly error: unknown;
  readonly following: Following;
}

const THE_BEGINNING = "1970-01-01T00:00:00.000Z";

/** The last items of a list that grows, and those that come while the page is open; at most `keep`. */
export function useTail<T extends { readonly id: string; readonly at: string }>(
  options: Options<T>,
): Tail<T> {
  const { of, keep } = options;
  const [grown, setGrown] = useState<{ of: string; items: readonly T[] }>({ of, items: [] });
  const listed = useQuery({
    queryKey: ["tail", of],
    queryFn: ({ signal }) => options.list(signal),
    staleTime: Infinity,
    // Read anew whenever the list is opened: what the stream brought was for the page that was left.
    gcTime: 0,
  });
  // The stream begins at the newest listed item, by the server's clock; what both have is shown once.
  const since = listed.data?.items[0]?.at ?? THE_BEGINNING;
  const following = useStream<T>({
    of: listed.isSuccess ? of : null,
    open: (resume) => options.follow({ since, ...resume }),
    onEvents: (events) =>
      setGrown((before) => ({
        of,
        items: [...(before.of === of ? before.items : []), ...events].slice(-keep),
      })),
  });
  if (listed.data === undefined) return { items: undefined, more: false, error: listed.error, following };
  const all = new Map<string, T>();
  for (const item of listed.data.items.toReversed()) all.set(item.id, item);
  if (grown.of === of) for (const item of grown.items) all.set(item.id, item);
  const items = [...all.values()].toSorted(inOrder);
  return {
    items: items.slice(-keep),
    more: items.length > keep || listed.data.items.length >= keep,
    error: following.state === "failed" ? following.error : null,
    following,
  };
}

/** By time, then by id: as the API lists them. */
function inOrder(a: { at: string; id: string }, b: { at: string; id: string }): number {
  if (a.at !== b.at) return a.at < b.at ? -1 : 1;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
