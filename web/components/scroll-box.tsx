import { type ReactNode, useLayoutEffect, useRef, useState } from "react";
import { Button } from "../ui/button.tsx";
import { Icon } from "../ui/icon.tsx";

/** Lines in a box of their own that stays at its end while lines come, unless its reader has scrolled away. */
export function ScrollBox({
  label,
  grown,
  low = false,
  children,
}: {
  label: string;
  /** Leaves room for what stands above and below. */
  low?: boolean;
  /** Changes whenever there is more. */
  grown: unknown;
  children: ReactNode;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);

  useLayoutEffect(() => {
    if (atEnd && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [grown, atEnd]);

  return (
    <div className="relative">
      <div
        ref={box}
        role="log"
        // A log of thousands of lines is not read out by itself; the page tells its outcome elsewhere.
        aria-live="off"
        aria-label={label}
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        onScroll={({ currentTarget: at }) => setAtEnd(at.scrollHeight - at.scrollTop - at.clientHeight < 24)}
        className={`${low ? "max-h-60" : "max-h-104"} overflow-auto overscroll-contain bg-sunken py-1.5 outline-offset-[-2px]`}
      >
        {children}
      </div>
      {atEnd ? null : (
        <Button className="absolute right-4 bottom-3 shadow-sm" onClick={() => setAtEnd(true)}>
          <Icon name="down" className="size-3.5" />
          To the end
        </Button>
      )}
    </div>
  );
}
