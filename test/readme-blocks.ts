/** A fenced block of a Markdown document. */
export interface Block {
  language: string;
  text: string;
}

export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map((match) => ({ language: match[1]!, text: match[2]! }));
}

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** Numbers that differ from run to run. */
const anyNumber = new Set(['shard', 'offset', 'latencyMs']);

/**
 * Where an answer differs from the documented one; empty when it does not. The fields must be the same ones. A documented
 * time stands for any time, `…` for any text, and a shard, an offset or a latency for any number.
 */
export function differences(actual: unknown, documented: unknown, path = ''): string[] {
  if (typeof documented === 'string') return textMatches(actual, documented) ? [] : [shown(path, actual, documented)];
  if (typeof documented !== 'object' || documented === null) {
    const matches = anyNumber.has(path.split('.').at(-1)!) ? typeof actual === 'number' : actual === documented;
    return matches ? [] : [shown(path, actual, documented)];
  }
  if (typeof actual !== 'object' || actual === null) return [shown(path, actual, documented)];
  const [given, expected] = [actual as Record<string, unknown>, documented as Record<string, unknown>];
  const names = new Set([...Object.keys(given), ...Object.keys(expected)]);
  return [...names].flatMap((name) => differences(given[name], expected[name], path ? `${path}.${name}` : name));
}

function textMatches(actual: unknown, documented: string): boolean {
  if (typeof actual !== 'string') return false;
  if (isoTime.test(documented)) return isoTime.test(actual);
  return documented.endsWith('…') ? actual.startsWith(documented.slice(0, -1)) : actual === documented;
}

function shown(path: string, actual: unknown, documented: unknown): string {
  return `${path}: ${JSON.stringify(actual)} instead of ${JSON.stringify(documented)}`;
}
