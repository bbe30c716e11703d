import { useEffect, useState } from "react";
import { Icon } from "./icon.tsx";

/** Copies `text`; `what` names it for those who hear the page. */
export function CopyButton({
  text,
  what,
  className = "",
}: {
  text: string;
  what: string;
  className?: string;
}) {
  const [result, setResult] = useState<"copied" | "refused" | null>(null);
  useEffect(() => {
    if (result === null) return;
    const timer = window.setTimeout(() => setResult(null), 2000);
    return () => window.clearTimeout(timer);
  }, [result]);

  const said = result === "copied" ? "Copied" : result === "refused" ? "Could not copy" : `Copy ${what}`;
  return (
    <button
      type="button"
      aria-label={said}
      title={said}
      onClick={() => void copy(text).then(setResult)}
      className={`inline-flex size-6 shrink-0 items-center justify-center rounded text-faint transition-colors hover:bg-hover hover:text-ink ${className}`}
    >
      <Icon
        name={result === "copied" ? "check" : result === "refused" ? "cross" : "copy"}
        className={`size-3.5 ${result === "copied" ? "text-good" : result === "refused" ? "text-bad" : ""}`}
      />
      <span role="status" className="sr-only">
        {result === null ? "" : said}
      </span>
    </button>
  );
}

async function copy(text: string): Promise<"copied" | "refused"> {
  // Over plain http from another machine the browser has no clipboard for pages.
  if (navigator.clipboard === undefined) return copyBySelection(text);
  try {
    await navigator.clipboard.writeText(text);
    return "copied";
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): "copied" | "refused" {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (before instanceof HTMLElement) before.focus();
  return done ? "copied" : "refused";
}
