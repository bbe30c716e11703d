import type { z } from "zod";

/** The nouns that a path can name; each has ids of its own. */
export type Noun = "organization" | "server" | "build" | "key" | "principal";

type ParamNames<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamNames<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

interface Base<Path extends string> {
  readonly path: Path;
  /** The noun of every parameter in the path: tests over "absent" and "not yours" come from here. */
  readonly params: { readonly [Name in ParamNames<Path>]: Noun };
  readonly summary: string;
}

/** A request with a JSON answer. GET takes `input` from the query, others from the body. */
export interface JsonRoute<
  Path extends string,
  Input extends z.ZodType,
  Output extends z.ZodType,
> extends Base<Path> {
  readonly kind: "json";
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** The request or its answer holds a secret, so that neither is kept for a repetition, not even as a hash. */
  readonly secret?: true;
  readonly input: Input;
  readonly output: Output;
}

/** A GET whose answer is an event stream; every event's id is a cursor to resume after. */
export interface StreamRoute<
  Path extends string,
  Input extends z.ZodType,
  Output extends z.ZodType,
> extends Base<Path> {
  readonly kind: "stream";
  readonly method: "GET";
  readonly input: Input;
  readonly output: Output;
}

/** A POST whose body is bytes. */
export interface UploadRoute<
  Path extends string,
  Input extends z.ZodType,
  Output extends z.ZodType,
> extends Base<Path> {
  readonly kind: "upload";
  readonly method: "POST";
  readonly input: Input;
  readonly output: Output;
  readonly maxBytes: number;
}

/** A JSON request that takes no key: who sends it proves itself by what is in it, and the answer moves the browser's cookie. */
export interface OpenRoute<
  Path extends string,
  Input extends z.ZodType,
  Output extends z.ZodType,
> extends Base<Path> {
  readonly kind: "open";
  readonly method: "POST" | "DELETE";
  readonly input: Input;
  readonly output: Output;
}

export type Route =
  | JsonRoute<string, z.ZodType, z.ZodType>
  | OpenRoute<string, z.ZodType, z.ZodType>
  | StreamRoute<string, z.ZodType, z.ZodType>
  | UploadRoute<string, z.ZodType, z.ZodType>;

export type Params<R> = R extends { readonly path: infer Path extends string }
  ? { [Name in ParamNames<Path>]: string }
  : never;
export type Input<R> = R extends { readonly input: infer I extends z.ZodType } ? z.output<I> : never;
export type Output<R> = R extends { readonly output: infer O extends z.ZodType } ? z.output<O> : never;
/** What a caller passes: defaults may be left out. */
export type Given<R> = R extends { readonly input: infer I extends z.ZodType } ? z.input<I> : never;

export const json = <P extends string, I extends z.ZodType, O extends z.ZodType>(
  route: Omit<JsonRoute<P, I, O>, "kind">,
): JsonRoute<P, I, O> => ({ kind: "json", ...route });

export const open = <P extends string, I extends z.ZodType, O extends z.ZodType>(
  route: Omit<OpenRoute<P, I, O>, "kind">,
): OpenRoute<P, I, O> => ({ kind: "open", ...route });

export const stream = <P extends string, I extends z.ZodType, O extends z.ZodType>(
  route: Omit<StreamRoute<P, I, O>, "kind" | "method">,
): StreamRoute<P, I, O> => ({ kind: "stream", method: "GET", ...route });

export const upload = <P extends string, I extends z.ZodType, O extends z.ZodType>(
  route: Omit<UploadRoute<P, I, O>, "kind" | "method">,
): UploadRoute<P, I, O> => ({ kind: "upload", method: "POST", ...route });
