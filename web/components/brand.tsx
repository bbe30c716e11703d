/** The name with its sign: the sun on the line where sea and sky meet. */
export function Brand() {
  return (
    <span className="inline-flex items-center gap-2 font-semibold tracking-tight text-ink">
      <svg aria-hidden="true" viewBox="0 0 20 20" className="size-5" fill="none">
        <path d="M5 10.5a5 5 0 0 1 10 0Z" className="fill-brand-sun" />
        <path
          d="M1.5 11.9h17M4 14.9h12M7.5 17.9h5"
          className="stroke-accent"
          strokeWidth="1.6"
          strokeLinecap="round"
        />
      </svg>
      Offing
    </span>
  );
}
