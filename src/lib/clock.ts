/** Time as a dependency, so that tests can move it. */
export interface Clock {
  /** Wall time in milliseconds since 1970 (UTC). */
  now(): number;
  /** Milliseconds that only ever grow; for durations. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
