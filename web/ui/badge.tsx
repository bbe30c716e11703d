import type { ReactNode } from "react";
import { Icon, type IconName } from "./icon.tsx";

export type Tone = "good" | "busy" | "bad" | "warn" | "plain";

const tones: Record<Tone, string> = {
  good: "bg-good-wash text-good",
  busy: "bg-busy-wash text-busy",
  bad: "bg-bad-wash text-bad",
  warn: "bg-warn-wash text-warn",
  plain: "bg-hover text-soft",
};

/** A state in a word, with a sign and a colour that say the same. */
export function Badge({ tone, icon, children }: { tone: Tone; icon: IconName; children: ReactNode }) {
  return (
    <span
      className={`inline-flex items-center gap-1 rounded-full py-0.5 pr-2 pl-1.5 text-xs font-medium whitespace-nowrap ${tones[tone]}`}
    >
      <Icon name={icon} className="size-3.5" />
      {children}
    </span>
  );
}

export const toneText: Record<Tone, string> = {
  good: "text-good",
  busy: "text-busy",
  bad: "text-bad",
  warn: "text-warn",
  plain: "text-faint",
};
