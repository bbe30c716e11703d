import { type OffingError, toProblem } from "../contract/errors.ts";

export interface ProblemAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** An error as RFC 9457 has it on the wire. */
export function problem(error: OffingError): ProblemAnswer {
  const body = toProblem(error);
  const headers: Record<string, string> = {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  };
  if (body.status === 401) headers["www-authenticate"] = 'Bearer realm="Offing"';
  return { status: body.status, headers, body: JSON.stringify(body) };
}

export function problemResponse(error: OffingError): Response {
  const { body, ...head } = problem(error);
  return new Response(body, head);
}
