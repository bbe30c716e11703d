import type { Dispatcher } from "undici";
import type { Manifest } from "../mcp/manifest.ts";
import { discover, type DiscoverOptions } from "./discover.ts";
import { createDispatcher } from "./dispatcher.ts";
import { createGuard, type GuardOptions, type HostPort } from "./guard.ts";

/** What dials the servers at URLs that people of an organization gave; all of it passes the guard. */
export interface Externals {
  /** An organization's connections, kept alive between requests. */
  dispatcher(organization: string): Dispatcher;
  /**
   * What the server at `url` is and offers. `allow` lets one private host and
   * port through, for this once. Throws AskError; where the guard refused, its
   * GuardRefused is among the causes.
   */
  discover(
    organization: string,
    url: string,
    options?: DiscoverOptions & { readonly allow?: HostPort },
  ): Promise<Manifest>;
  close(): Promise<void>;
}

export function createExternals(options: GuardOptions): Externals {
  const guard = createGuard(options);
  const dispatchers = new Map<string, Dispatcher>();
  return {
    dispatcher(organization) {
      let dispatcher = dispatchers.get(organization);
      if (dispatcher === undefined) {
        dispatcher = createDispatcher(guard, organization);
        dispatchers.set(organization, dispatcher);
      }
      return dispatcher;
    },
    async discover(organization, url, { allow, ...more } = {}) {
      const judge =
        allow === undefined
          ? guard
          : createGuard({ ...options, allow: (of) => [...options.allow(of), allow] });
      // Connections of its own, so that nothing that was let through once outlives the question.
      const dispatcher = createDispatcher(judge, organization);
      const { origin, pathname, search } = new URL(url);
      try {
        return await discover({ address: url, dispatcher, origin, path: pathname + search }, more);
      } finally {
        await dispatcher.destroy();
      }
    },
    async close() {
      const all = [...dispatchers.values()];
      dispatchers.clear();
      await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
    },
  };
}
