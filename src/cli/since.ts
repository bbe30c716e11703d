import { UsageError } from "./context.ts";

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `10m`, `2h`, `1d` ago, or a date and time. */
export function parseSince(text: string | undefined): { since?: string } {
  if (text === undefined) return {};
  const ago = /^(\d+)([smhd])$/.exec(text);
  const at = ago ? Date.now() - Number(ago[1]) * units[ago[2] as keyof typeof units] : Date.parse(text);
  if (Number.isNaN(at)) throw new UsageError(`--since takes 10m, 2h, 1d or a date, not "${text}"`);
  return { since: new Date(at).toISOString() };
}
