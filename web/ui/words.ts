/** A piece of somebody's words: text, code in it, or a command of ours that may be copied. */
export interface Piece {
  readonly kind: "text" | "code" | "command";
  readonly text: string;
}

/** What a shell would take for more than one plain command. */
const SHELL = /[|&$<>();`\r\n]/;

/**
 * Takes the words of an error or a hint apart. A server's own code may have chosen them, so what reads like a command
 * of ours is one only where it is nothing but plain words for a shell.
 */
export function piecesOf(words: string): Piece[] {
  return words.split(/(`[^`\n]+`|\.\/offing [^\n;,]*[^\n;,.)\s])/).map((part, index): Piece => {
    if (index % 2 === 0) return { kind: "text", text: part };
    const text = part.replace(/^`|`$/g, "");
    if (!text.startsWith("./offing ")) return { kind: "code", text };
    return SHELL.test(text) ? { kind: "text", text: part } : { kind: "command", text };
  });
}
