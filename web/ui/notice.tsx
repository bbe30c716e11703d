import type { ReactNode } from "react";
import { Icon, type IconName } from "./icon.tsx";

const tones = {
  bad: { box: "border-bad/30 bg-bad-wash", sign: "text-bad", icon: "cross" },
  warn: { box: "border-warn/30 bg-warn-wash", sign: "text-warn", icon: "warning" },
} as const satisfies Record<string, { box: string; sign: string; icon: IconName }>;

/** Words that must not be overlooked. */
export function Notice({
  tone,
  title,
  children,
}: {
  tone: keyof typeof tones;
  title: ReactNode;
  children?: ReactNode;
}) {
  const { box, sign, icon } = tones[tone];
  return (
    <div className={`flex gap-2.5 rounded-lg border px-3 py-2.5 ${box}`}>
      <Icon name={icon} className={`mt-0.5 ${sign}`} />
      <div className="min-w-0 flex-1">
        <p className="font-medium break-words">{title}</p>
        {children}
      </div>
    </div>
  );
}
