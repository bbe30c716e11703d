import type { ReactNode } from "react";

/** Where nothing is yet: what would be here, and the step that brings it. */
export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-3 px-4 py-12 text-center">
      <p className="font-medium">{title}</p>
      <div className="flex max-w-xl flex-col items-center gap-3 text-soft">{children}</div>
    </div>
  );
}

/** Something is being read. Shown late by its style, so that what is fast does not flicker. */
export function Loading({ what }: { what: string }) {
  return (
    <p role="status" className="late px-4 py-12 text-center text-faint">
      Reading {what}…
    </p>
  );
}
