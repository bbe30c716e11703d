import { useEffect, useEffectEvent, useState } from "react";
import type { StreamEvent } from "../../src/contract/client.ts";
import { isPassing } from "./problem.ts";

/** How a followed stream fares; `ended` is its own end, `failed` a refusal that trying again would not change. */
export type Following =
  | { readonly state: "connecting" | "open" | "again" | "ended" }
  | { readonly state: "failed"; readonly error: unknown };

interface Options<T> {
  /** Identifies what is followed; another one begins anew. `null` follows nothing. */
  readonly of: string | null;
  open(resume: { after?: string; signal: AbortSignal }): AsyncGenerator<StreamEvent<T>>;
  /** Whether this event is the stream's last; any other end is a broken connection. */
  isLast?(event: T): boolean;
  /** Events in order, as many as came between two paintings of the page. */
  onEvents(events: readonly T[]): void;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;
const SETTLED_MS = 1000;

/**
 * Follows a stream of the API. A broken one is taken up again after its last
 * event; while the tab is hidden none is held, since a browser gives all tabs
 * of an origin six connections together.
 */
export function useStream<T>({ of, open, onEvents, isLast = () => false }: Options<T>): Following {
  const [following, setFollowing] = useState<Following>({ state: "connecting" });
  const begin = useEffectEvent(open);
  const ends = useEffectEvent(isLast);
  const tell = useEffectEvent(onEvents);

  useEffect(() => {
    if (of === null) return;
    const over = new AbortController();
    const inbox = createInbox<T>((events) => tell(events));
    void follow<T>({
      open: (resume) => begin(resume),
      isLast: (event) => ends(event),
      push: inbox.push,
      say: (state) => {
        if (!over.signal.aborted) setFollowing(state);
      },
      over: over.signal,
    });
    return () => {
      over.abort();
      inbox.close();
    };
  }, [of]);
  return following;
}

async function follow<T>(how: {
  open: Options<T>["open"];
  isLast: (event: T) => boolean;
  push: (event: T) => void;
  say: (state: Following) => void;
  over: AbortSignal;
}): Promise<void> {
  const { open, isLast, push, say, over } = how;
  let after: string | undefined;
  let wait = FIRST_RETRY_MS;
  say({ state: "connecting" });
  while (!over.aborted) {
    await visible(over);
    const pause = hiddenOr(over);
    // An open stream may be silent, so one that is not refused soon counts as open.
    const opened = window.setTimeout(() => say({ state: "open" }), SETTLED_MS);
    try {
      for await (const { id, data } of open({
        signal: pause.signal,
        ...(after === undefined ? {} : { after }),
      })) {
        if (over.aborted) return;
        if (wait !== FIRST_RETRY_MS) say({ state: "open" });
        after = id;
        wait = FIRST_RETRY_MS;
        push(data);
        if (isLast(data)) return say({ state: "ended" });
      }
    } catch (error) {
      if (!over.aborted && !pause.signal.aborted && !isPassing(error)) return say({ state: "failed", error });
    } finally {
      window.clearTimeout(opened);
      pause.forget();
    }
    if (over.aborted || pause.signal.aborted) continue;
    say({ state: "again" });
    await delay(wait, over);
    wait = Math.min(2 * wait, LAST_RETRY_MS);
  }
}

/** Collects events until the page is painted next, so that a thousand lines are one change. */
function createInbox<T>(deliver: (events: readonly T[]) => void): { push(event: T): void; close(): void } {
  let waiting: T[] = [];
  let frame: number | undefined;
  return {
    push(event) {
      waiting.push(event);
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        const events = waiting;
        waiting = [];
        deliver(events);
      });
    },
    close() {
      if (frame !== undefined) cancelAnimationFrame(frame);
    },
  };
}

/** A signal that aborts when the tab is hidden for a while, or with `over`. */
function hiddenOr(over: AbortSignal): { signal: AbortSignal; forget(): void } {
  const hidden = new AbortController();
  let timer: number | undefined;
  const look = (): void => {
    window.clearTimeout(timer);
    if (document.hidden) timer = window.setTimeout(() => hidden.abort(), 5000);
  };
  document.addEventListener("visibilitychange", look);
  return {
    signal: AbortSignal.any([over, hidden.signal]),
    forget() {
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
    },
  };
}

async function visible(over: AbortSignal): Promise<void> {
  while (document.hidden && !over.aborted) await event(document, "visibilitychange", over);
}

function event(target: EventTarget, name: string, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    target.addEventListener(name, () => resolve(), { once: true, signal: over });
    over.addEventListener("abort", () => resolve(), { once: true });
  });
}

function delay(ms: number, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = window.setTimeout(resolve, ms);
    over.addEventListener(
      "abort",
      () => {
        window.clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
