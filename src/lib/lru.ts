/** A map that keeps its `limit` most recently used entries and forgets the rest. */
export class Lru<K, V> {
  readonly #limit: number;
  readonly #entries = new Map<K, V>();
  readonly #recent = { key: undefined as K | undefined };

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    // Moving an entry that is last already would only cost.
    if (value !== undefined && this.#recent.key !== key) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
      this.#recent.key = key;
    }
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    this.#recent.key = key;
    if (this.#entries.size > this.#limit) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
  }

  delete(key: K): boolean {
    if (this.#recent.key === key) this.#recent.key = undefined;
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#recent.key = undefined;
    this.#entries.clear();
  }
}
