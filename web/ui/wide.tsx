import type { ReactNode } from "react";

/** Holds what may be wider than the screen: it scrolls by itself, also by the keyboard. */
export function Wide({
  label,
  className = "",
  children,
}: {
  label: string;
  className?: string;
  children: ReactNode;
}) {
  return (
    <section
      aria-label={label}
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      className={`overflow-x-auto outline-offset-[-2px] ${className}`}
    >
      {children}
    </section>
  );
}
