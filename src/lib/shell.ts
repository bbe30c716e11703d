/** A word as a POSIX shell reads it back, quoted where it has to be (Shell Command Language, 2.2 Quoting). */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
