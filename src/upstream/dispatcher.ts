import { Agent, buildConnector } from "undici";
import type { Guard } from "./guard.ts";

/**
 * An undici Agent for URLs that people of `organization` gave: every DNS
 * answer and the address of every connected socket pass the guard. A refusal
 * surfaces as the request's error (GuardRefused, or undici's with it as cause).
 */
export function createDispatcher(guard: Guard, organization: string): Agent {
  return new Agent({
    connect(options, done) {
      const port = Number(options.port) || (options.protocol === "https:" ? 443 : 80);
      const host = options.hostname;
      // A literal address skips `lookup`, so it is judged here first.
      guard.resolve(organization, host, port).then(
        () => {
          const dial = buildConnector({ lookup: guard.lookup(organization, port) });
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
