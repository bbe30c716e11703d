/**
 * Milliseconds to wait after `failures` failures in a row: `first` doubled each
 * time, at most `longest`, of which the upper half is random (full jitter would
 * let a crash loop spin). No failure, no wait.
 */
export function backoffDelay(
  failures: number,
  {
    first = 500,
    longest = 60_000,
    random = Math.random,
  }: { first?: number; longest?: number; random?: () => number } = {},
): number {
  if (failures <= 0) return 0;
  const whole = Math.min(longest, first * 2 ** Math.min(failures - 1, 30));
  return Math.round(whole / 2 + (whole / 2) * random());
}
