import type { Era } from "../../mcp/eras.ts";
import type { Manifest } from "../../mcp/manifest.ts";

/** In which era the owner wants the upstream spoken to; `auto`: in the client's own, where that can be. */
export type UpstreamEra = Era | "auto";

/** The eras in which an upstream is spoken to: those it answers in, without the one that its owner ruled out. */
export function spokenEras(answered: readonly Era[], wanted: UpstreamEra): readonly Era[] {
  return wanted === "auto" ? answered : answered.filter((era) => era === wanted);
}

/** What was found since the owner's choice and cannot answer in it is spoken to as it can be. */
export function erasFor({ eras }: Manifest, wanted: UpstreamEra): readonly Era[] {
  const spoken = spokenEras(eras, wanted);
  return spoken.length > 0 ? spoken : eras;
}

/** A session is held in one era, over one transport: where a server's have changed, its clients begin anew. */
export function sameEras(before: Manifest, after: Manifest): boolean {
  if (before.transport !== after.transport) return false;
  return before.eras.length === after.eras.length && before.eras.every((era) => after.eras.includes(era));
}
