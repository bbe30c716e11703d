import { setTimeout } from "node:timers/promises";
import type { Services } from "../services.ts";
import { Calls } from "./calls.ts";
import { Ears } from "./ear.ts";
import { Levels } from "./levels.ts";
import { Parked } from "./parked.ts";
import { Questions } from "./questions.ts";
import { Sweeper } from "./sweeper.ts";

const CLOSE_MS = 1_000;

/** What the calls between the eras share within one process. */
export class Bridge {
  readonly services: Services;
  readonly sweeper: Sweeper;
  readonly parked = new Parked();
  readonly questions: Questions;
  readonly calls = new Calls();
  readonly ears = new Ears();
  readonly levels = new Levels();

  constructor(services: Services) {
    this.services = services;
    this.sweeper = new Sweeper(() => services.clock.monotonic());
    this.questions = new Questions(services.peers.self);
  }

  /** Ends every call that waits for its client; resolves once upstreams were told, or could not be in time. */
  async close(): Promise<void> {
    this.questions.close();
    await Promise.race([this.parked.close(), setTimeout(CLOSE_MS, undefined, { ref: false })]);
  }
}
