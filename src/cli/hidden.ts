import { say } from "./output.ts";

const INTERRUPT = "\x03";
const END = "\x04";
const CLEAR = "\x15";
const ERASE = ["\x7f", "\b"];
/** What arrow and function keys send. */
const KEYS = new RegExp(String.raw`${"\x1b"}(?:\[[0-9;?]*[ -/]*[@-~]|O.)`, "g");

/**
 * Asks at the terminal for a value that is not shown while it is typed. It may
 * have several lines, so that a key can be pasted; Ctrl-D ends it, and the
 * newline before that is no part of it. Ctrl-C ends the program.
 */
export async function hidden(name: string): Promise<string> {
  const { stdin } = process;
  const decoder = new TextDecoder();
  let typed = "";
  stdin.setRawMode(true);
  // Only now: what is typed from here on is not shown.
  say(`Type or paste ${name}; it is not shown. Then Enter and Ctrl-D:`);
  try {
    await new Promise<void>((resolve) => {
      const onData = (chunk: Buffer) => {
        typed += decoder.decode(chunk, { stream: true });
        if (!typed.includes(END) && !typed.includes(INTERRUPT)) return;
        stdin.off("data", onData).off("end", resolve).pause();
        resolve();
      };
      stdin.on("data", onData).once("end", resolve).resume();
    });
  } finally {
    stdin.setRawMode(false);
  }
  if (typed.includes(INTERRUPT) || !typed.includes(END)) process.exit(130);
  return edited(typed.slice(0, typed.indexOf(END)).replace(KEYS, "").replace(/\r\n?/g, "\n")).replace(
    /\n$/,
    "",
  );
}

/** What is left after the keys that take something back. */
function edited(typed: string): string {
  const kept: string[] = [];
  for (const char of typed) {
    if (ERASE.includes(char)) kept.pop();
    else if (char === CLEAR) kept.length = 0;
    else kept.push(char);
  }
  return kept.join("");
}
