import { compareVersions, parseVersion } from "../plan/versions.ts";

/** A tag's name with the commit that it means. */
export interface Tag {
  readonly name: string;
  readonly commit: string;
}

/**
 * The version (PEP 440) that tags give a commit, for projects that take theirs
 * from Git: the tag's own where one is on the commit, else the newest tag's with
 * the commit behind a `+`. Null where no tag names a version.
 */
export function versionOf(tags: readonly Tag[], commit: string): string | null {
  const found = tags
    .map((tag) => ({ ...tag, version: versionIn(tag.name) }))
    .filter((tag): tag is Tag & { version: string } => tag.version !== null);
  const newest = (list: readonly { version: string }[]): string | undefined =>
    list
      .map(({ version }) => version)
      .reduce<string | undefined>(
        (best, one) => (best === undefined || isNewer(one, best) ? one : best),
        undefined,
      );
  const own = newest(found.filter((tag) => tag.commit === commit));
  if (own !== undefined) return own;
  const last = newest(found);
  return last === undefined ? null : `${last}+g${commit.slice(0, 7)}`;
}

/** What `git describe --tags` says, as a version: `v1.2.3-5-gabc1234` is `1.2.3+5.gabc1234`. */
export function versionDescribed(words: string): string | null {
  const [, tag = words, count, commit] = /^(.*)-(\d+)-g([0-9a-f]{4,40})$/.exec(words) ?? [];
  const version = versionIn(tag);
  return version === null
    ? null
    : count === undefined || count === "0"
      ? version
      : `${version}+${count}.g${commit}`;
}

/** `v1.2.3`, `name-1.2.3rc1`, `release/1.2`: the version at the end of a tag's name. */
function versionIn(name: string): string | null {
  return (
    /(?:^|[-_/@])v?(\d{1,9}(?:\.\d{1,9}){1,4}(?:(?:a|b|rc)\d{1,9})?(?:\.post\d{1,9})?)$/i.exec(
      name.slice(-100),
    )?.[1] ?? null
  );
}

function isNewer(a: string, b: string): boolean {
  const numbers = (version: string): readonly number[] =>
    parseVersion(/^[\d.]*\d/.exec(version)?.[0] ?? "0") ?? [];
  return compareVersions(numbers(a), numbers(b)) > 0;
}
