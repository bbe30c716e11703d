/**
 * IPv4 ranges that no instance reaches: everything of the IANA special-purpose
 * registry that is not globally reachable, multicast and the former class E.
 * (IPv6 is not given to instances at all.)
 */
const BLOCKED = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
] as const;

interface Range {
  readonly base: number;
  readonly bits: number;
}

function parse(text: string): Range {
  const [address = "", length = "32"] = text.split("/");
  const octets = address.split(".").map(Number);
  const bits = Number(length);
  if (
    octets.length !== 4 ||
    octets.some((o) => !Number.isInteger(o) || o < 0 || o > 255) ||
    !(bits >= 0 && bits <= 32)
  ) {
    throw new Error(`${text} is no IPv4 address or range`);
  }
  const base = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  return { base: base - (base % 2 ** (32 - bits)), bits };
}

function format({ base, bits }: Range): string {
  return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join(".")}/${bits}`;
}

function without(range: Range, hole: Range): Range[] {
  const size = 2 ** (32 - range.bits);
  if (hole.bits <= range.bits) {
    const covers = range.base - (range.base % 2 ** (32 - hole.bits)) === hole.base;
    return covers ? [] : [range];
  }
  if (hole.base < range.base || hole.base >= range.base + size) return [range];
  const halves = [
    { base: range.base, bits: range.bits + 1 },
    { base: range.base + size / 2, bits: range.bits + 1 },
  ];
  return halves.flatMap((half) => without(half, hole));
}

/** The ranges to make unreachable, with the machine's own addresses, as `a.b.c.d/n`. Throws on a malformed address. */
export function blockedRanges(own: readonly string[], allow: readonly string[]): string[] {
  const holes = allow.map(parse);
  let ranges = BLOCKED.map(parse);
  for (const hole of holes) ranges = ranges.flatMap((range) => without(range, hole));
  // The machine's own addresses come last: nothing opens them.
  return [...new Set([...ranges, ...own.map(parse)].map(format))];
}
