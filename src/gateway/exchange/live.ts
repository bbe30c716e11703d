/** Something that knows its own place among the live ones. */
export interface Slotted {
  slot: number;
}

/**
 * What is under way. A Set would do the same, but one that is filled and
 * emptied all the time leaves a chain of outgrown tables behind, through which
 * finished requests survive young collections.
 */
export class Live<T extends Slotted> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: T): void {
    item.slot = this.#items.push(item) - 1;
  }

  remove(item: T): void {
    const last = this.#items.pop()!;
    if (last === item) return;
    this.#items[item.slot] = last;
    last.slot = item.slot;
  }

  /** A copy, so that items may leave while it is walked. */
  all(): readonly T[] {
    return [...this.#items];
  }
}
