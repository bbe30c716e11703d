import { useSyncExternalStore } from "react";
import { ago, duration, moment } from "../format.ts";

/** A clock that ticks for everyone who shows it, at one of two paces. */
function createTicks(ms: number) {
  const readers = new Set<() => void>();
  let timer: number | undefined;
  let now = Date.now();
  return {
    now: () => now,
    subscribe(reader: () => void) {
      readers.add(reader);
      now = Date.now();
      timer ??= window.setInterval(() => {
        now = Date.now();
        for (const each of readers) each();
      }, ms);
      return () => {
        readers.delete(reader);
        if (readers.size > 0) return;
        window.clearInterval(timer);
        timer = undefined;
      };
    },
  };
}

const slow = createTicks(5000);
const fast = createTicks(100);

/** How long ago something was, kept right while the page is open. */
export function Ago({ at }: { at: string }) {
  const now = useSyncExternalStore(slow.subscribe, slow.now);
  return (
    <time dateTime={at} title={moment(at)} className="whitespace-nowrap">
      {ago(Date.parse(at), now)}
    </time>
  );
}

/** The time since something began, running. */
export function Running({ since }: { since: string }) {
  const now = useSyncExternalStore(fast.subscribe, fast.now);
  return <span className="tabular-nums">{duration(now - Date.parse(since))}</span>;
}
