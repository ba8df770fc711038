import type { LoadHook } from 'node:module';
import type { Mutation } from '../mutations.js';

/** Module hooks of Node.js, which run apart from the process that they are for. */
let mutation: Mutation;

export function initialize(data: Mutation): void {
  mutation = data;
}

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  if (!url.endsWith(`/dist/src/${mutation.file}`)) return loaded;
  const source = Buffer.from(loaded.source as Uint8Array).toString('utf8');
  const parts = source.split(mutation.find);
  // A mutation that no longer fits the code would pass for one that the audit has not found.
  if (parts.length !== 2)
    throw new Error(`${mutation.name}: its text is ${parts.length - 1} times in ${mutation.file}`);
  return { ...loaded, source: parts.join(mutation.replace) };
};
