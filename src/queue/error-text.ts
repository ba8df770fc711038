const lengthMax = 4_000;

/** What a handler threw, as the text that is kept of a failed attempt: at most 4,000 characters. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.slice(0, lengthMax);
}
