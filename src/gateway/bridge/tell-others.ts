import type { Dispatcher } from "undici";
import type { Exchange } from "../exchange/exchange.ts";
import { requestHeaders } from "../hand-over.ts";
import type { Services } from "../services.ts";

const TELL_MS = 5_000;

/**
 * Sends a copy of a notification to every other gateway process: whatever it
 * concerns may be held by any of them. Whether they take it is no matter.
 */
export function tellOthers(x: Exchange, { peers, pools }: Pick<Services, "peers" | "pools">): void {
  for (const name of peers.others()) {
    const address = peers.address(name);
    if (address === undefined) continue;
    const { dispatcher, origin } = pools.at(address);
    const { url, method, rawHeaders } = x.req;
    dispatcher
      .request({
        origin,
        path: url ?? "/",
        method: method as Dispatcher.HttpMethod,
        headers: requestHeaders(rawHeaders, x.record.ip),
        body: x.body,
        signal: AbortSignal.timeout(TELL_MS),
      })
      .then(({ body }) => body.dump())
      .catch(() => {});
  }
}
