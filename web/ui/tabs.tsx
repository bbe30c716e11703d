import { Tabs as Base } from "@base-ui/react/tabs";
import { type ReactNode, useRef } from "react";

/** The parts of a page, one at a time; arrow keys move between them. */
export function Tabs<Value extends string>({
  value,
  onChange,
  label,
  parts,
}: {
  value: Value;
  onChange: (value: Value) => void;
  label: string;
  parts: readonly { value: Value; title: string; count?: number | undefined; content: ReactNode }[];
}) {
  const list = useRef<HTMLDivElement>(null);
  const choose = (next: Value) => {
    onChange(next);
    // What was asked for would else open below what is seen.
    const { top = 0 } = list.current?.getBoundingClientRect() ?? {};
    if (top > window.innerHeight / 2) list.current?.scrollIntoView({ block: "start" });
  };
  return (
    <Base.Root value={value} onValueChange={choose}>
      <Base.List ref={list} aria-label={label} className="flex gap-1 border-b border-line px-2">
        {parts.map((part) => (
          <Base.Tab
            key={part.value}
            value={part.value}
            className="-mb-px inline-flex items-center gap-1.5 border-b-2 border-transparent px-2.5 py-2 text-sm font-medium text-soft hover:text-ink data-active:border-accent data-active:text-ink"
          >
            {part.title}
            {part.count === undefined ? null : (
              <span className="rounded-full bg-hover px-1.5 text-xs text-soft tabular-nums">
                {part.count}
              </span>
            )}
          </Base.Tab>
        ))}
      </Base.List>
      {parts.map((part) => (
        <Base.Panel key={part.value} value={part.value} className="outline-offset-[-2px]">
          {part.content}
        </Base.Panel>
      ))}
    </Base.Root>
  );
}
