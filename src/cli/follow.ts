import type { StreamEvent } from "../contract/client.ts";
import { isPassing } from "./build-log.ts";
import { say } from "./output.ts";

const RETRY_MS = 500;
const TRIES = 60;

/** Reads a stream without end; a broken connection is taken up again after the last event. */
export async function* follow<T>(
  open: (options: { after?: string }) => AsyncGenerator<StreamEvent<T>>,
): AsyncGenerator<T> {
  let after: { after?: string } = {};
  for (let tries = 0; ; tries++) {
    try {
      for await (const { id, data } of open(after)) {
        after = { after: id };
        tries = 0;
        yield data;
      }
    } catch (error) {
      if (tries >= TRIES || !isPassing(error)) throw error;
    }
    if (tries === 0) say("The connection ended; trying to take it up again…");
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
