export interface GatewayLimits {
  /** Bytes of a request's body. */
  readonly bodyBytes: number;
  /** Milliseconds until a body is whole. */
  readonly bodyTimeoutMs: number;
  /** How deep JSON may nest. */
  readonly jsonDepth: number;
  /** Bytes of one upstream message that must be changed on its way. */
  readonly messageBytes: number;
  /** Milliseconds after which an unused instance is released. */
  readonly idleMs: number;
  /** Milliseconds that requests under way get when the gateway closes. */
  readonly drainMs: number;
}

export const defaultLimits: GatewayLimits = {
  bodyBytes: 6 * 1024 * 1024,
  bodyTimeoutMs: 15_000,
  jsonDepth: 128,
  messageBytes: 16 * 1024 * 1024,
  idleMs: 60_000,
  drainMs: 5_000,
};
