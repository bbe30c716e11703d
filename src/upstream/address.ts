import ipaddr from "ipaddr.js";

export type AddressKind = "public" | "loopback" | "private" | "metadata" | "reserved";

/** Cloud metadata services, which hand out credentials to whoever can reach them. */
const METADATA = new Set([
  "169.254.169.254",
  "169.254.170.2",
  "169.254.170.23",
  "169.254.169.253",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "fd00:ec2::254",
  "fd00:ec2::23",
  "fd20:ce::254",
]);

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * What an IP address (not a name) belongs to, judged by where a packet to it
 * would really go: IPv4 inside IPv6 (mapped, compatible, translated RFC 6052
 * and 6145, 6to4) is judged as that IPv4. Anything that does not parse is
 * `reserved`, so that it is refused.
 */
export function addressKind(text: string): AddressKind {
  const address = parse(text);
  if (!address) return "reserved";
  if (METADATA.has(address.toString()) || METADATA.has(normalized(address))) return "metadata";
  switch (address.range()) {
    case "unicast":
      return "public";
    case "loopback":
      return "loopback";
    case "private":
    case "uniqueLocal":
    case "linkLocal":
    case "carrierGradeNat":
      return "private";
    default:
      // 0.0.0.0 and :: reach this machine itself.
      return unspecified(address) ? "loopback" : "reserved";
  }
}

/** The canonical text of an IP address, unwrapped; undefined when `text` is none. */
export function canonicalAddress(text: string): string | undefined {
  const address = parse(text);
  return address && normalized(address);
}

function parse(text: string): Address | undefined {
  // A zone (fe80::1%eth0) changes the way, not the address.
  const bare = text.replace(/%.*$/, "");
  if (!ipaddr.isValid(bare)) return undefined;
  return unwrap(ipaddr.parse(bare));
}

function unwrap(address: Address): Address {
  if (address instanceof ipaddr.IPv4) return address;
  const bytes = address.toByteArray();
  const embedded = (at: number): Address => new ipaddr.IPv4(bytes.slice(at, at + 4));
  const leading = (length: number): boolean => bytes.slice(0, length).every((byte) => byte === 0);
  switch (address.range()) {
    case "ipv4Mapped":
    case "rfc6145":
      return embedded(12);
    case "rfc6052":
      // Only the well-known prefix has its IPv4 in the last 32 bits; 64:ff9b:1::/48 stays refused.
      return bytes.slice(4, 12).every((byte) => byte === 0) ? embedded(12) : address;
    case "6to4":
      return embedded(2);
    default:
      // IPv4-compatible (::a.b.c.d), but not :: and ::1.
      return leading(12) && (bytes[12] !== 0 || bytes[13] !== 0) ? embedded(12) : address;
  }
}

function normalized(address: Address): string {
  return address instanceof ipaddr.IPv4 ? address.toString() : address.toRFC5952String();
}

function unspecified(address: Address): boolean {
  return address.toByteArray().every((byte) => byte === 0);
}
