/** One argument of a tool or a prompt, as a table shows it. */
export interface Argument {
  /** Dotted for what lies within an object, `[]` for what lies within a list. */
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly description: string;
  /** The default, as JSON. */
  readonly fallback: string | null;
}

type Schema = Readonly<Record<string, unknown>>;

const DEEPEST = 4;
const MOST = 200;

/** The arguments that a JSON Schema of an object describes, nested ones too, required ones first; at most 200. */
export function argumentsOf(schema: unknown): Argument[] {
  const found: Argument[] = [];
  if (isSchema(schema)) walk(schema, schema, "", 0, found);
  return found.slice(0, MOST);
}

function walk(root: Schema, schema: Schema, prefix: string, depth: number, found: Argument[]): void {
  const required: unknown[] = Array.isArray(schema["required"]) ? schema["required"] : [];
  const properties = isSchema(schema["properties"]) ? schema["properties"] : {};
  const names = Object.keys(properties);
  // The store keeps the order of lists only, so what is required comes first, in its own order.
  const first = required.filter((name) => typeof name === "string" && Object.hasOwn(properties, name));
  for (const name of new Set([...(first as string[]), ...names])) {
    if (found.length >= MOST) return;
    const given = properties[name];
    const property = resolve(root, given);
    const path = `${prefix}${name}`;
    found.push({
      name: path,
      type: typeOf(root, given),
      required: required.includes(name),
      description:
        textOf(isSchema(given) ? given["description"] : undefined) || textOf(property["description"]),
      fallback: "default" in property ? JSON.stringify(property["default"]) : null,
    });
    if (depth + 1 >= DEEPEST) continue;
    const inner = withProperties(root, property);
    if (inner) walk(root, inner, `${path}.`, depth + 1, found);
    const items = withProperties(root, resolve(root, property["items"]));
    if (items) walk(root, items, `${path}[].`, depth + 1, found);
  }
}

/** The least that a JSON Schema accepts, as far as it says so: what is required, with values that show their type. */
export function exampleOf(schema: unknown): unknown {
  return isSchema(schema) ? example(schema, schema, 0) : {};
}

function example(root: Schema, given: unknown, depth: number): unknown {
  const schema = resolve(root, given);
  if ("default" in schema) return schema["default"];
  if ("const" in schema) return schema["const"];
  for (const key of ["examples", "enum"]) {
    const values = schema[key];
    if (Array.isArray(values) && values.length > 0) return values[0] as unknown;
  }
  const [choice] = alternatives(schema);
  if (choice !== undefined && depth < DEEPEST) return example(root, choice, depth + 1);
  const type: unknown = Array.isArray(schema["type"]) ? schema["type"][0] : schema["type"];
  if (type === "string") return "…";
  if (type === "integer" || type === "number")
    return typeof schema["minimum"] === "number" ? schema["minimum"] : 1;
  if (type === "boolean") return true;
  if (type === "null") return null;
  if (type === "array") {
    const needed = typeof schema["minItems"] === "number" && schema["minItems"] > 0 && depth < DEEPEST;
    return needed ? [example(root, schema["items"], depth + 1)] : [];
  }
  const properties = isSchema(schema["properties"]) ? schema["properties"] : {};
  const required: unknown[] = Array.isArray(schema["required"]) ? schema["required"] : [];
  const own = required.filter(
    (name) => typeof name === "string" && Object.hasOwn(properties, name),
  ) as string[];
  if (depth >= DEEPEST) return {};
  return Object.fromEntries(own.map((name) => [name, example(root, properties[name], depth + 1)]));
}

/** The one object among the alternatives, such as of `object or null`. */
function withProperties(root: Schema, schema: Schema): Schema | undefined {
  if (isSchema(schema["properties"])) return schema;
  const objects = alternatives(schema)
    .map((each) => resolve(root, each))
    .filter((each) => isSchema(each["properties"]));
  return objects.length === 1 ? objects[0] : undefined;
}

/** A schema's type in a few words: `string`, `list of integer`, `"a" or "b"`, `object or null`. */
export function typeOf(root: unknown, given: unknown, depth = 0): string {
  if (given === false) return "nothing";
  const schema = resolve(isSchema(root) ? root : {}, given);
  if (depth > DEEPEST) return "any";
  if ("const" in schema) return JSON.stringify(schema["const"]);
  if (Array.isArray(schema["enum"])) return either(schema["enum"].map((value) => JSON.stringify(value)));
  const choices = alternatives(schema);
  if (choices.length > 0) return either(choices.map((choice) => typeOf(root, choice, depth + 1)));
  const { type } = schema;
  if (Array.isArray(type))
    return either(type.map((each) => named(root, { ...schema, type: each as unknown }, depth)));
  return named(root, schema, depth);
}

function named(root: unknown, schema: Schema, depth: number): string {
  const { type, format } = schema;
  if (type === "array") {
    const items = "items" in schema ? typeOf(root, schema["items"], depth + 1) : "any";
    return items === "any" ? "list" : `list of ${items}`;
  }
  if (typeof type === "string") return typeof format === "string" ? `${type} (${format})` : type;
  return isSchema(schema["properties"]) ? "object" : "any";
}

function alternatives(schema: Schema): unknown[] {
  for (const key of ["anyOf", "oneOf"]) if (Array.isArray(schema[key])) return schema[key];
  const all = schema["allOf"];
  return Array.isArray(all) && all.length === 1 ? all : [];
}

function either(words: readonly string[]): string {
  const few = [...new Set(words)];
  return few.length > 12 ? `${few.slice(0, 12).join(" or ")} or ${few.length - 12} more` : few.join(" or ");
}

/** Follows a reference within the same schema (`#/$defs/Name`). One that leads nowhere is a schema of anything. */
function resolve(root: Schema, given: unknown): Schema {
  let schema: unknown = given;
  for (let hops = 0; isSchema(schema) && typeof schema["$ref"] === "string"; hops++) {
    if (hops > 8 || !schema["$ref"].startsWith("#/")) return {};
    schema = schema["$ref"]
      .slice(2)
      .split("/")
      .reduce<unknown>((at, part) => {
        const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
        return isSchema(at) && Object.hasOwn(at, key) ? at[key] : undefined;
      }, root);
  }
  return isSchema(schema) ? schema : {};
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
