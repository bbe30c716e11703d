/** Reads a list to its end, page by page. */
export async function everyPage<Item>(
  read: (cursor: { cursor?: string }) => Promise<{ items: Item[]; nextCursor: string | null }>,
): Promise<Item[]> {
  const items: Item[] = [];
  for (let cursor: { cursor?: string } = {}; ;) {
    const page = await read(cursor);
    items.push(...page.items);
    if (page.nextCursor === null) return items;
    cursor = { cursor: page.nextCursor };
  }
}
