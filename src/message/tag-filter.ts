/** Whether a message with this tag is wanted. */
export type TagFilter = (tag: string | undefined) => boolean;

/** @param filter `*` for everything, or tags joined by `||`; a message without a tag only passes `*` */
export function tagFilter(filter: string): TagFilter {
  if (filter === '*') return () => true;
  const wanted = new Set(filter.split('||').map((tag) => tag.trim()));
  return (tag) => tag !== undefined && wanted.has(tag);
}
