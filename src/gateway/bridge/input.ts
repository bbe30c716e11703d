import { type ClientRequest, isAnswerTo, isClientRequest, lacking } from "../../mcp/client-requests.ts";
import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { Refusal } from "../refusal.ts";

/** Questions of one round. */
const QUESTIONS = 64;

/** What the upstream asks for, by key; a refusal where the client cannot be asked all of it. */
export function requestsOf(
  given: unknown,
  declared: JsonObject,
): (readonly [string, ClientRequest])[] | Refusal {
  if (given === undefined) return [];
  const entries = isObject(given) ? Object.entries(given) : [];
  if (!isObject(given) || entries.length > QUESTIONS)
    return unaskable("in a form that is none of its protocol");
  const asked: (readonly [string, ClientRequest])[] = [];
  for (const [key, request] of entries) {
    if (!isObject(request) || !isClientRequest(request["method"])) {
      return unaskable("in a form that is none of its protocol");
    }
    const { method } = request;
    const params = isObject(request["params"]) ? request["params"] : {};
    const needed = lacking(declared, { method, params });
    if (needed !== undefined) {
      return unaskable(`with ${method}, which this session's client did not declare in \`initialize\``);
    }
    asked.push([key, { method, params }]);
  }
  return asked;
}

function unaskable(how: string): Refusal {
  return new Refusal("upstream", 502, `The server asked its client for input ${how}. The call cannot go on.`);
}

/** What the stateless upstream is told of a client's response. */
export function answerFrom(method: string, { result, error }: JsonObject): JsonObject | Refusal {
  if (error !== undefined) {
    // A person who does not answer is no fault; there is a word for it.
    if (method === "elicitation/create") return { action: "cancel" };
    const words =
      isObject(error) && typeof error["message"] === "string" ? error["message"].slice(0, 300) : "";
    return new Refusal(
      "protocol",
      200,
      `Your client answered ${method} with an error, and the server cannot go on without it. ${words}`.trimEnd(),
    );
  }
  if (isAnswerTo(method, result)) return result;
  return new Refusal(
    "protocol",
    200,
    `Your client's answer to ${method} is not one, and the server cannot go on without it.`,
  );
}
