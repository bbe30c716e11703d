import type { Exchange } from "./exchange.ts";

interface Ready {
  readonly x: Exchange;
  readonly text: string;
}

let ready: Ready[] = [];

/**
 * Ends an answer with `text`, single bytes as characters, at the end of this turn of the event
 * loop. Answers that are ready within one turn leave together: whoever reads several is woken once
 * for them all, and one that is alone leaves no later.
 */
export function sendTogether(x: Exchange, text: string): void {
  if (ready.push({ x, text }) === 1) setImmediate(send);
}

function send(): void {
  const leaving = ready;
  ready = [];
  for (const { x, text } of leaving) {
    if (x.clientGone) continue;
    try {
      x.res.end(text, "latin1");
    } catch {
      // What breaks one answer must neither keep the others nor end the process.
      x.res.destroy();
    }
  }
}
