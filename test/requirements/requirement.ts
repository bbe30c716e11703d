/**
 * One behaviour that the product promises. A test proves it and cites its id
 * at the end of its title, as `[R:area.name]`.
 */
export interface Requirement {
  /** `area.name`, both in lower case with dashes. */
  readonly id: string;
  /** What holds, in a sentence. */
  readonly behaviour: string;
  /** Where it is asked for: revision and page, such as `2025-11-25 basic/transports#session-management`. */
  readonly section: string;
  /** A one-line change of the source that turns its test red. */
  readonly break: {
    /** From the repository's root. */
    readonly file: string;
    /** Text within one line, there exactly once. */
    readonly from: string;
    readonly to: string;
    /** The test file that turns red. */
    readonly test: string;
  };
}
