const shapes = {
  check: <path d="m3.5 8.5 3 3 6-7" />,
  cross: <path d="m4.5 4.5 7 7m0-7-7 7" />,
  circle: <circle cx="8" cy="8" r="4.5" />,
  clock: <path d="M8 4.8V8l2.2 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z" />,
  turning: <path d="M8 2a6 6 0 1 0 6 6" />,
  stop: <path d="M4 12 12 4M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z" />,
  warning: (
    <path d="M8 6.3v3.2m0 2.1v.1M7.1 2.6 1.6 12a1 1 0 0 0 .9 1.6h11a1 1 0 0 0 .9-1.6L8.9 2.6a1 1 0 0 0-1.8 0Z" />
  ),
  copy: <path d="M5.5 5.5v-3h8v8h-3m-8-5h8v8h-8z" />,
  down: <path d="m4 6 4 4 4-4" />,
  right: <path d="m6 4 4 4-4 4" />,
  reuse: (
    <path d="M2.5 8a5.5 5.5 0 0 1 9.6-3.7M13.5 8a5.5 5.5 0 0 1-9.6 3.7M12.4 1.8v2.7H9.7M3.6 14.2v-2.7h2.7" />
  ),
} as const;
export type IconName = keyof typeof shapes;

/** A sign beside words: it says nothing that the words do not. */
export function Icon({ name, className = "" }: { name: IconName; className?: string }) {
  return (
    <svg
      aria-hidden="true"
      viewBox="0 0 16 16"
      className={`size-4 shrink-0 ${name === "turning" ? "animate-turn" : ""} ${className}`}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      {shapes[name]}
    </svg>
  );
}
