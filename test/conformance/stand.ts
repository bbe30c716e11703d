import { startLegacy } from "./fixtures/legacy.ts";
import { startModern } from "./fixtures/modern.ts";
import { type Access, register } from "./gateway.ts";
import { startShim } from "./shim.ts";

export const upstreams = { modern: startModern, legacy: startLegacy } as const;
export type UpstreamName = keyof typeof upstreams;

/** One of our upstreams, and the same behind a gateway that asks for a key. */
export interface Stand extends AsyncDisposable {
  /** The upstream's own URL. */
  readonly direct: string;
  /** Its URL through the gateway, for a client without a key. */
  readonly through: string;
}

export async function openStand(name: UpstreamName, access: Access): Promise<Stand> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await upstreams[name]());
  const endpoint = await register(access, upstream.url);
  const shim = stack.use(await startShim(endpoint, access.OFFING_API_KEY));
  const owned = stack.move();
  return {
    direct: upstream.url,
    through: shim.url,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
