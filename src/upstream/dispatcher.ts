import { Agent, buildConnector } from "undici";
import type { Guard } from "./guard.ts";

/** Milliseconds until a connection stands. */
const CONNECT_MS = 10_000;

/**
 * An undici Agent for URLs that people of `organization` gave: every DNS
 * answer and the address of every connected socket pass the guard. A refusal
 * surfaces as the request's error (GuardRefused, or undici's with it as cause).
 * It follows no redirect.
 */
export function createDispatcher(guard: Guard, organization: string): Agent {
  return new Agent({
    allowH2: false,
    // The caller keeps the time: a stream may rest for as long as its window lasts.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect(options, done) {
      const port = Number(options.port) || (options.protocol === "https:" ? 443 : 80);
      const host = options.hostname;
      // A literal address skips `lookup`, so it is judged here first.
      guard.resolve(organization, host, port).then(
        () => {
          const dial = buildConnector({
            allowH2: false,
            timeout: CONNECT_MS,
            lookup: guard.lookup(organization, port),
          });
          dial(options, (...result) => {
            const socket = result[1];
            if (!socket) return done(...result);
            try {
              guard.verify(organization, host, port, socket.remoteAddress ?? "");
            } catch (error) {
              socket.destroy();
              return done(error as Error, null);
            }
            done(null, socket);
          });
        },
        (error: Error) => done(error, null),
      );
    },
  });
}
