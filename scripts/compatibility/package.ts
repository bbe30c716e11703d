/** A public package as the run takes it, with the outcome that it must have. */
export interface Package {
  /** The distribution's name on the index. */
  readonly name: string;
  readonly version: string;
  /** Of the source distribution that is taken, and no other; in hex. */
  readonly sha256: string;
  /** Whose it is: the authors that the package itself names. */
  readonly by: string;
  /** What is worth knowing of it: framework, packaging, needs. */
  readonly about: string;
  /** Flags of `deploy` beside the server's name, where the first deploy's own error asks for them. */
  readonly flags?: readonly string[];
  /** Variables that are set with `env set`; before that a deploy must end in `without`, where it is given. */
  readonly needs?: {
    readonly variables: Readonly<Record<string, string>>;
    readonly without: Failure | null;
  };
  readonly expected: Serves | Failure;
}

/** It becomes live, lists its tools and answers every call, by clients of both eras. */
export interface Serves {
  readonly outcome: "serves";
  /** The least number of tools. */
  readonly tools: number;
  /** Made one after another in one session of the handshake era, and each for itself in the stateless one. */
  readonly calls: readonly Call[];
  /** What every tool needs and a run has not, in words: the call is answered with the server's own error. */
  readonly away?: string;
}

/** The build ends in an error that its author can act on. */
export interface Failure {
  readonly outcome: "error";
  readonly code: string;
  /** Fragments that message, hint and traceback must contain between them. */
  readonly says: readonly string[];
}

export interface Call {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** A fragment of the result's text. */
  readonly answers: string;
}

/** A call as the lists write it: tool, arguments, fragment of the answer. */
type Row = readonly [tool: Call["tool"], given: Call["arguments"], answers: Call["answers"]];

/** It serves at least `tools` tools, and these calls are answered so. */
export function serves(tools: number, ...calls: readonly Row[]): Serves {
  return {
    outcome: "serves",
    tools,
    calls: calls.map(([tool, given, answers]) => ({ tool, arguments: given, answers })),
  };
}

/** As `serves`, where each call needs something that a run has not, and is answered with the server's own error. */
export function servesWithout(away: string, tools: number, ...calls: readonly Row[]): Serves {
  return { ...serves(tools, ...calls), away };
}

/** The build ends in this error, whose words contain these fragments. */
export function refused(code: string, ...says: readonly string[]): Failure {
  return { outcome: "error", code, says };
}

/** The name of a package's source distribution as the index lists it (PEP 625). */
export function sdistOf({ name, version }: Pick<Package, "name" | "version">): string {
  return `${name.toLowerCase().replace(/[-_.]+/g, "_")}-${version}.tar.gz`;
}
