import type { Exchange } from "./exchange/exchange.ts";
import { Refusal } from "./refusal.ts";

/** Takes one step of a request; what it throws is the answer. */
export function attempt(x: Exchange, step: () => void): void {
  try {
    step();
  } catch (error) {
    refuse(x, error);
  }
}

/** Answers with a refusal; anything else is a fault of ours. */
export function refuse(x: Exchange, error: unknown): void {
  if (error instanceof Refusal) return x.refuse(error);
  const because = error instanceof Error ? error.message : String(error);
  const message = "The gateway failed on this request; the fault is Offing's.";
  x.refuse(new Refusal("protocol", 500, message, { because }));
}
