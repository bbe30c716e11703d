import { CopyButton } from "../ui/copy-button.tsx";

/** The URL that clients connect to. */
export function Endpoint({ url, of }: { url: string; of: string }) {
  return (
    <span className="inline-flex max-w-full min-w-0 items-center gap-0.5">
      <code className="min-w-0 truncate text-soft" title={url}>
        {url}
      </code>
      <CopyButton text={url} what={`the endpoint of ${of}`} className="relative z-[1]" />
    </span>
  );
}
