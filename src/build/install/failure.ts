import { printable } from "../../lib/printable.ts";
import { BuildError } from "../build.ts";
import type { ChildResult } from "../child.ts";
import { stripUserInfo } from "../source/url.ts";
import { explainBuild } from "./failure/built.ts";
import { type Explained, readSaid, type Said } from "./failure/explained.ts";
import { explainFetch } from "./failure/fetched.ts";
import { explainUnresolvable } from "./failure/unresolvable.ts";
import type { Uv } from "./uv.ts";

const TAIL_LINES = 60;

/**
 * Turns uv's failure into the sentence that its author needs, and keeps the end of
 * uv's own words in the log: from its error on, or all of them where none was told
 * before (`untold`).
 */
export function uvFailure(uv: Uv, result: ChildResult, doing: string, untold = false): BuildError {
  // Much of it may be the author's own output: every pattern below takes time in proportion to its length.
  const text = ownWords(uv, result.err);
  const lines = text.split("\n");
  const error = lines.findIndex((line) => line.startsWith("error: "));
  const from = untold ? 0 : Math.max(0, error);
  const tail = lines.slice(from).filter((line) => line.trim() !== "");
  if (tail.length > TAIL_LINES)
    uv.context.say(`(${tail.length - TAIL_LINES} lines of uv's words are left out)`, "err");
  for (const line of tail.slice(-TAIL_LINES)) uv.context.say(line, "err");
  const refused = uv.refused();
  if (refused && /403|refused|tunnel|proxy|CONNECT/i.test(text)) {
    return new BuildError("install", "dependency_refused", refused.message, {
      hint: "A build reaches public addresses and this machine's package indexes only; use one of these.",
      cause: refused,
    });
  }
  const explained = explain(text, doing, uv);
  return new BuildError("install", explained.code, explained.message, {
    hint: explained.hint,
    traceback: explained.traceback ?? null,
    cause: result,
  });
}

/** uv's words without paths of the platform, sign-ins and what commands a terminal. */
function ownWords(uv: Uv, err: string): string {
  let own = err.replaceAll(`${uv.context.work}/`, "").replaceAll("/build/source/", "./");
  for (const prefix of uv.interpreter.prefixes)
    if (prefix !== "/usr") own = own.replaceAll(`${prefix}/`, "python/");
  return printable(stripUserInfo(own), true).replace(/\n{2,}/g, "\n");
}

function explain(text: string, doing: string, uv: Uv): Explained {
  const said: Said = {
    text,
    ...readSaid(text),
    doing,
    origins: uv.origins,
    python: uv.interpreter.version.split(".").slice(0, 2).join("."),
  };
  const { first, causes } = said;
  if (/No space left|Disk quota/i.test(text)) {
    return {
      code: "disk_full",
      message: "The disk of the machine that builds is full.",
      hint: "Free space and deploy again.",
    };
  }
  const known = explainUnresolvable(said) ?? explainFetch(said) ?? explainBuild(said);
  if (known) return known;
  if (
    /Failed to parse|Couldn't parse|TOML parse error|is out of date|needs to be updated|lockfile/i.test(
      text,
    ) &&
    /uv\.lock|lockfile/.test(text)
  ) {
    return {
      code: "lock_invalid",
      message: `uv.lock cannot be used: ${(causes.at(-1) ?? first).slice(0, 2000).replace(/ \|.* \^ /s, ": ")}.`,
      hint: "Write it anew with uv lock, and commit it.",
    };
  }
  if (/Couldn't parse|Failed to parse|invalid|Expected/i.test(text)) {
    const line = /^ {4,}([A-Za-z0-9][^\n]{0,200})\n {4,}\^/m.exec(text)?.[1]?.trim();
    const origin = uv.origins.find((one) => one.text === line);
    const place = origin ? `Line ${origin.line} of ${origin.file}, ` : "";
    const cause = causes.at(-1) ?? first;
    const why = line === undefined ? cause : (cause.split(line)[0]?.trim() ?? cause);
    return {
      code: "requirements_invalid",
      message: `${place}${line ?? "a requirement"}, is not understood: ${why.slice(0, 300)}.`,
      hint: "Write it like name==1.2, name>=1.2,<2 or name[extra].",
    };
  }
  const gone = /Distribution not found at: file:\/\/(\S{1,300})/.exec(text)?.[1];
  if (gone !== undefined) {
    return {
      code: "dependency_folder_missing",
      message: `There is no folder ${gone.replace(/^\/build\//, "../")} in the repository, from which a dependency is to be taken.`,
      hint: "Correct the path in [tool.uv.sources] or in the requirements, or commit the folder.",
    };
  }
  return {
    code: "install_failed",
    message: `${doing}: ${(causes.at(-1) ?? first) || "uv said nothing of why"}`,
    hint: "Look at the lines above.",
  };
}
