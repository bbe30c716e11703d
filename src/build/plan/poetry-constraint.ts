/** Nobody writes a longer one. */
const LONGEST = 1000;

/**
 * Poetry's version constraint as PEP 440 specifiers: `^1.2` is `>=1.2,<2`.
 * Null where it says nothing ("*"). Of alternatives (`||`) the last, which
 * people write newest. Undefined where it is no constraint, or one of more than
 * 1000 characters.
 */
export function toSpecifiers(constraint: string): string | null | undefined {
  if (constraint.length > LONGEST) return undefined;
  const last = constraint.split("||").at(-1)?.trim() ?? "";
  if (last === "*" || last === "") return null;
  const found: string[] = [];
  // Commas or spaces separate; an operator may stand apart from its version.
  for (const part of last.replace(/([<>=!~^])\s+/g, "$1").split(/[\s,]+/)) {
    if (part === "" || part === "*") continue;
    const one = specifier(part);
    if (one === undefined) return undefined;
    found.push(one);
  }
  return found.length === 0 ? null : found.join(",");
}

function specifier(part: string): string | undefined {
  // There is one way only to read any text by it, so that it takes no more time than the length.
  const match =
    /^(\^|~=|~|===|==|=|!=|<=|>=|<|>)?v?(\d+(?:\.\d+)*)(?:(\.\*|\.x)|((?:[-_.]?[a-z]+(?![a-z])(?:[-_.]?\d+)?)*(?:\+[\w.]+)?))$/i.exec(
      part,
    );
  if (!match) return undefined;
  const [, operator = "", release = "", wild, suffix = ""] = match;
  const version = release + suffix;
  const numbers = release.split(".").map(Number);
  if (wild !== undefined) return operator === "!=" ? `!=${release}.*` : `==${release}.*`;
  if (operator === "^") return `>=${version},<${caret(numbers)}`;
  if (operator === "~") {
    const bound = numbers.length === 1 ? [(numbers[0] ?? 0) + 1] : [numbers[0] ?? 0, (numbers[1] ?? 0) + 1];
    return `>=${version},<${bound.join(".")}`;
  }
  return `${operator === "" || operator === "=" ? "==" : operator}${version}`;
}

/** The next version that the first number other than zero forbids. */
function caret(numbers: readonly number[]): string {
  const at = numbers.findIndex((number) => number !== 0);
  const fixed = at < 0 ? numbers.length - 1 : at;
  return numbers
    .slice(0, fixed + 1)
    .map((number, i) => (i === fixed ? number + 1 : number))
    .join(".");
}
