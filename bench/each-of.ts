/** Calls that are under way at once. */
const atOnce = 16;

/** Runs something for each item, a few at once. Rejects with the first error. */
export async function eachOf<Item>(items: Item[], run: (item: Item) => Promise<void>): Promise<void> {
  const rest = items.values();
  const runner = async (): Promise<void> => {
    for (const item of rest) await run(item);
  };
  await Promise.all(Array.from({ length: atOnce }, runner));
}
