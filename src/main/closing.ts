/** What has to be closed, last opened first. One that fails does not keep the others open. */
export class Closing {
  readonly #open: { close(): Promise<void> | void }[] = [];

  add<T extends { close(): Promise<void> | void }>(resource: T): T {
    if (!this.#open.includes(resource)) this.#open.push(resource);
    else this.#open.push(this.#open.splice(this.#open.indexOf(resource), 1)[0]!);
    return resource;
  }

  async close(): Promise<void> {
    for (const resource of this.#open.splice(0).toReversed()) {
      try {
        await resource.close();
      } catch (error) {
        process.stderr.write(
          `offing: something did not close cleanly: ${error instanceof Error ? error.message : String(error)}\n`,
        );
      }
    }
  }
}
