/** What can go wrong with a verb, as a short closed list; each transport maps it once. */
export const problems = {
  invalid: { status: 400, title: "The request is not valid" },
  unauthenticated: { status: 401, title: "Sign-in is needed" },
  forbidden: { status: 403, title: "Not permitted" },
  not_found: { status: 404, title: "Not found" },
  conflict: { status: 409, title: "It conflicts with what is there" },
  precondition: { status: 412, title: "Something has to be done first" },
  too_large: { status: 413, title: "Too large" },
  limited: { status: 429, title: "Too many requests" },
  internal: { status: 500, title: "Something went wrong here" },
  unavailable: { status: 503, title: "Not available now" },
} as const;
export type ProblemCode = keyof typeof problems;

/** RFC 9457 problem details, as the control API answers them. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail: string;
  /** What to do next, or what would have sufficed. */
  readonly hint?: string;
  /** For `invalid`: where and what. */
  readonly issues?: readonly { readonly path: string; readonly message: string }[];
}

/** An error that its reader can act on. Verbs throw it; adapters map it. */
export class OffingError extends Error {
  override readonly name = "OffingError";
  readonly code: ProblemCode;
  readonly hint: string | undefined;
  readonly issues: Problem["issues"];

  constructor(
    code: ProblemCode,
    detail: string,
    more: { hint?: string; issues?: Problem["issues"]; cause?: unknown } = {},
  ) {
    super(detail, { cause: more.cause });
    this.code = code;
    this.hint = more.hint;
    this.issues = more.issues;
  }
}

export function toProblem(error: OffingError): Problem {
  const { status, title } = problems[error.code];
  return {
    type: `urn:offing:problem:${error.code}`,
    title,
    status,
    code: error.code,
    detail: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.issues === undefined ? {} : { issues: error.issues }),
  };
}
