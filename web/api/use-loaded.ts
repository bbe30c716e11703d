import { type DefaultError, type QueryKey, useQuery, type UseQueryOptions } from "@tanstack/react-query";

/** A query that the route's loader has read before: its data is there from the start, then kept fresh. */
export function useLoaded<Data, Key extends QueryKey>(
  options: UseQueryOptions<Data, DefaultError, Data, Key>,
): { data: Data; error: unknown; dataUpdatedAt: number } {
  const { data, error, dataUpdatedAt } = useQuery(options);
  if (data === undefined) throw error ?? new Error("this page was shown before its data was read");
  return { data, error, dataUpdatedAt };
}
