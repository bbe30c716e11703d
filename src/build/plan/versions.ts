/** A Python release as numbers: 3.12.1 is [3, 12, 1]. */
export type Version = readonly number[];

export function parseVersion(text: string): Version | undefined {
  return /^\d+(?:\.\d+)*$/.test(text) ? text.split(".").map(Number) : undefined;
}

export function compareVersions(a: Version, b: Version): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether a release is admitted. */
export type Range = (version: Version) => boolean;

/** The longest `requires-python` that is read, in characters. */
export const LONGEST_RANGE = 500;

/**
 * Whether a Python release satisfies a `requires-python` (PEP 440 version
 * specifiers, final releases only). Undefined when the text is none.
 */
export function satisfies(version: Version, specifiers: string): boolean | undefined {
  return parseRange(specifiers)?.(version);
}

/** The same, read once for many releases; undefined too for a text of more than 500 characters. */
export function parseRange(specifiers: string): Range | undefined {
  if (specifiers.length > LONGEST_RANGE) return undefined;
  const ranges: Range[] = [];
  for (const part of specifiers
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "")) {
    const one = parseOne(part);
    if (one === undefined) return undefined;
    ranges.push(one);
  }
  return (version) => ranges.every((range) => range(version));
}

function parseOne(specifier: string): Range | undefined {
  const match = /^(===|==|!=|<=|>=|<|>|~=|\^)?\s*v?(\d+(?:\.\d+)*)(\.\*)?(?:[a-z].*)?$/i.exec(specifier);
  const bound = match?.[2] === undefined ? undefined : parseVersion(match[2]);
  if (!match || !bound) return undefined;
  const [, operator, , wild] = match;
  return (version) => {
    const compared = compareVersions(version, bound);
    const prefix = bound.every((number, i) => version[i] === number);
    switch (operator) {
      case "===":
      case "==":
        return wild ? prefix : compared === 0;
      case "!=":
        return wild ? !prefix : compared !== 0;
      case "<=":
        return compared <= 0;
      case ">=":
        return compared >= 0;
      case "<":
        return compared < 0;
      case ">":
        // PEP 440: >3.11 excludes 3.11.* no more than it excludes 3.11 itself.
        return compared > 0;
      case "~=":
        return compared >= 0 && bound.slice(0, -1).every((number, i) => version[i] === number);
      case "^":
        return compared >= 0 && version[0] === bound[0];
      default:
        return prefix;
    }
  };
}
