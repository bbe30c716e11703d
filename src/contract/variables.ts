/** Bounds of a server's variables; the machine passes them to a program as a whole. */
export const variableLimits = {
  names: 256,
  nameLength: 256,
  /** UTF-8 bytes of one value. */
  valueBytes: 64 * 1024,
  /** UTF-8 bytes of all names and values of one server. */
  totalBytes: 512 * 1024,
} as const;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const RESERVED = ["OFFING_", "HORIZON_", "FASTMCP_CLOUD_"];
/** What the runner sets for every instance, and what would keep Python itself from starting. */
const OWNED = ["PATH", "HOME", "TMPDIR", "VIRTUAL_ENV", "PYTHONHOME"];

/** Why a name cannot be a variable's, in words; undefined for one that can. Names after POSIX (XBD 8.1). */
export function refusedName(name: string): string | undefined {
  if (name.length > variableLimits.nameLength)
    return `a variable's name has at most ${variableLimits.nameLength} characters`;
  if (!NAME.test(name)) return "a variable's name is made of letters, digits and _, and begins with no digit";
  const prefix = RESERVED.find((each) => name.startsWith(each));
  if (prefix !== undefined) return `names that begin with ${prefix} are kept for the platform`;
  if (OWNED.includes(name)) return `${name} is set by the platform for every instance`;
  return undefined;
}
