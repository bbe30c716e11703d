export interface GatewayLimits {
  /** Bytes of a request's body. */
  readonly bodyBytes: number;
  /** Milliseconds until a body is whole. */
  readonly bodyTimeoutMs: number;
  /** How deep JSON may nest. */
  readonly jsonDepth: number;
  /** Bytes of one upstream message that must be changed on its way. */
  readonly messageBytes: number;
  /** Milliseconds that a call waits for a person at most, each time that it asks. */
  readonly personMs: number;
  /** Milliseconds after which an unused instance is released. */
  readonly idleMs: number;
  /** Milliseconds that requests under way get when the gateway closes. */
  readonly drainMs: number;
  /** Requests of one principal at a time, over all processes; standing streams are not among them. */
  readonly requestsPerPrincipal: number;
  /** Standing streams of one principal at a time, over all processes. */
  readonly streamsPerPrincipal: number;
  /** Gateway processes that serve together: each admits its share of both. */
  readonly processes: number;
  /** Milliseconds without an answer after which a client that can resume gets a stream to come back to. */
  readonly patienceMs: number;
  /** Milliseconds of rest after which a stream carries a comment. */
  readonly keepAliveMs: number;
  /** What one stream holds for a client that comes back: events, and their bytes as JSON. */
  readonly replayEvents: number;
  readonly replayBytes: number;
  /** What the streams of one principal hold together in one process, in bytes; those of one organization; and all. */
  readonly replayPrincipalBytes: number;
  readonly replayOrganizationBytes: number;
  readonly replayTotalBytes: number;
  /** Milliseconds that a stream is held after its end. */
  readonly replayMs: number;
}

export const defaultLimits: GatewayLimits = {
  bodyBytes: 6 * 1024 * 1024,
  bodyTimeoutMs: 15_000,
  jsonDepth: 128,
  messageBytes: 16 * 1024 * 1024,
  personMs: 10 * 60_000,
  idleMs: 60_000,
  drainMs: 5_000,
  requestsPerPrincipal: 256,
  streamsPerPrincipal: 64,
  processes: 1,
  patienceMs: 250,
  keepAliveMs: 15_000,
  replayEvents: 256,
  replayBytes: 1024 * 1024,
  replayPrincipalBytes: 8 * 1024 * 1024,
  replayOrganizationBytes: 16 * 1024 * 1024,
  replayTotalBytes: 64 * 1024 * 1024,
  replayMs: 120_000,
};
