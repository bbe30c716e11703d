import type { ComponentProps } from "react";

const kinds = {
  plain: "border border-edge bg-surface hover:bg-hover text-ink",
  quiet: "text-soft hover:bg-hover hover:text-ink",
} as const;

/** A button; `className` adds what its place asks for. */
export function Button({
  kind = "plain",
  className = "",
  ...rest
}: ComponentProps<"button"> & { kind?: keyof typeof kinds }) {
  return (
    <button
      type="button"
      {...rest}
      className={`inline-flex h-7 items-center justify-center gap-1.5 rounded-md px-2.5 text-sm font-medium whitespace-nowrap transition-colors disabled:opacity-50 ${kinds[kind]} ${className}`}
    />
  );
}
