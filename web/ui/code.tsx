import { CopyButton } from "./copy-button.tsx";
import { piecesOf } from "./words.ts";

/** One command to run elsewhere, as it is typed, with a button that copies it. */
export function Command({ children: text, what = "the command" }: { children: string; what?: string }) {
  return (
    <span className="inline-flex max-w-full items-center gap-1 rounded-md border border-line bg-sunken py-1 pr-1 pl-2.5 text-left">
      <code className="min-w-0 break-words text-ink">{text}</code>
      <CopyButton text={text} what={what} />
    </span>
  );
}

/**
 * Words of an error or a hint: what is to be typed in them is set as code,
 * with `copy` each command beside a button that copies it.
 */
export function Prose({ children: words, copy = false }: { children: string; copy?: boolean }) {
  return piecesOf(words).map(({ kind, text }, index) => {
    if (kind === "text") return text;
    return (
      // The parts of one text never change their order.
      // oxlint-disable-next-line react/no-array-index-key
      <span key={index} className="rounded bg-ink/6 py-px">
        <code className="px-1 font-medium break-words text-ink">{text}</code>
        {copy && kind === "command" ? (
          <CopyButton text={text} what="the command" className="-my-1 align-middle" />
        ) : null}
      </span>
    );
  });
}
