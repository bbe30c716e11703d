import { isObject, type JsonObject, metaOf } from "../../mcp/envelope.ts";
import { keepLogs, type Rewrite } from "../../mcp/translate.ts";
import type { Asked, Envelope } from "../admission/envelope.ts";
import type { Streams } from "../streams/streams.ts";
import type { Turn } from "../turn.ts";
import { type AnswerOwner, StatelessAnswer } from "./stateless-answer.ts";

/** A client that came with a request, and waits for its answer. */
export class Present {
  readonly turn: Turn;
  readonly request: Asked;
  readonly answer: StatelessAnswer;
  readonly #byLevel: Rewrite;
  readonly #progressToken: unknown;

  constructor(turn: Turn, given: Envelope & { kind: "stateless" }, streams: Streams, owner: AnswerOwner) {
    const { request, envelope } = given;
    this.turn = turn;
    this.request = request;
    this.answer = new StatelessAnswer(turn.x, streams, owner);
    // Without a level there are no log messages.
    this.#byLevel = keepLogs(envelope.logLevel ?? "none");
    this.#progressToken = metaOf(request.params)?.["progressToken"];
  }

  /**
   * Tells it progress or a log message, where it asked for that. `name`: the progress
   * token upstream. False: the client is slow.
   */
  tell(message: JsonObject, name: string): boolean {
    const { method, params } = message;
    if (method === "notifications/message") {
      return this.#byLevel(message).kind !== "pass" || this.answer.send(message);
    }
    const token = this.#progressToken;
    if (token === undefined || !isObject(params) || params["progressToken"] !== name) return true;
    return this.answer.send({ ...message, params: { ...params, progressToken: token } });
  }
}
