import { Popover as Base } from "@base-ui/react/popover";
import type { ReactNode } from "react";
import { Button } from "./button.tsx";
import { Icon } from "./icon.tsx";

/** A button that shows more beside itself; Escape or a click elsewhere closes it. */
export function Popover({
  button,
  title,
  children,
  open,
  onOpenChange,
}: {
  button: ReactNode;
  title: string;
  children: ReactNode;
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  return (
    <Base.Root open={open} onOpenChange={(next) => onOpenChange(next)}>
      <Base.Trigger render={<Button />}>
        {button}
        <Icon name="down" className="size-3.5 text-faint" />
      </Base.Trigger>
      <Base.Portal>
        <Base.Positioner side="bottom" align="end" sideOffset={6} collisionPadding={12} className="z-10">
          <Base.Popup className="w-96 max-w-(--available-width) overflow-hidden rounded-xl border border-line bg-surface shadow-lg shadow-black/10 outline-none">
            <Base.Title className="border-b border-line px-3.5 py-2 text-sm font-semibold">
              {title}
            </Base.Title>
            {children}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}
