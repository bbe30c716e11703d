/** ECMA-48 control sequences: CSI (colours, cursor), strings (titles, links), and the two-byte ones. */
const SEQUENCES =
  // eslint-disable-next-line no-control-regex
  /\x1B(?:\[[0-?]{0,64}[ -/]{0,16}[@-~]|[\]PX^_][^\x07\x1B\x9C]{0,4096}(?:\x07|\x1B\\|\x9C)|[ -/]{0,16}[0-~])|\x9B[0-?]{0,64}[ -/]{0,16}[@-~]/g;

/** What a terminal, a JSON parser or PostgreSQL would not take as text: controls but the tab, and what reorders text. */
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\0-\x08\x0A-\x1F\x7F-\x9F\u202A-\u202E\u2066-\u2069]/g;

/**
 * One line of somebody else's program as text that is safe to print, to store
 * and to send: without colours and other terminal commands, controls or lone
 * surrogates. With `lines`, line ends stay.
 */
export function printable(text: string, lines = false): string {
  if (lines)
    return text
      .split(/\r?\n/)
      .map((line) => printable(line))
      .join("\n");
  return text.toWellFormed().replace(SEQUENCES, "").replace(CONTROLS, "");
}
