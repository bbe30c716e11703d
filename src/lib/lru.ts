/**
 * A map that keeps at least the `limit` most recently used entries and at
 * most twice as many. It keeps two generations instead of an order: moving an
 * entry at every use would leave outgrown tables behind, through which
 * short-lived objects survive young collections.
 */
export class Lru<K, V> {
  readonly #limit: number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: K): V | undefined {
    const value = this.#young.get(key);
    if (value !== undefined || this.#old.size === 0) return value;
    const older = this.#old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: K, value: V): void {
    if (this.#young.size >= this.#limit && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  delete(key: K): boolean {
    const old = this.#old.delete(key);
    return this.#young.delete(key) || old;
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
