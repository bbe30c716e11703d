/** Whether a posted body is a JSON-RPC batch, by its first character. */
export function isBatch(bytes: Buffer): boolean {
  for (const byte of bytes) {
    if (byte !== 32 && byte !== 9 && byte !== 10 && byte !== 13) return byte === 91;
  }
  return false;
}

/**
 * The values of a JSON array, each as its bytes stand there. `bytes` must be
 * valid JSON. Undefined when they are more than `most`.
 */
export function splitArray(bytes: Buffer, most: number): Buffer[] | undefined {
  const parts: Buffer[] = [];
  const { length } = bytes;
  let depth = 0;
  let from = -1;
  const take = (to: number): boolean => {
    const part = bytes.subarray(from, to);
    if (part.toString("latin1").trim() !== "") parts.push(part);
    return parts.length <= most;
  };
  for (let i = 0; i < length; i++) {
    const byte = bytes[i]!;
    if (byte === 34) {
      for (i++; i < length && bytes[i] !== 34; i++) if (bytes[i] === 92) i++;
    } else if (byte === 123 || byte === 91) {
      if (++depth === 1) from = i + 1;
    } else if (byte === 125 || byte === 93) {
      if (--depth === 0 && !take(i)) return;
    } else if (byte === 44 && depth === 1) {
      if (!take(i)) return;
      from = i + 1;
    }
  }
  return parts;
}
