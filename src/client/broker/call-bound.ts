import type { Call } from './caller.js';

/**
 * Bounds a call by its time and its signal: tells once why it is over. Written out, because `AbortSignal.any` over a signal
 * that lives as long as the client keeps something of every call, and a signal for each call costs more than the call's text.
 * @returns to be called when the call has ended
 */
export function boundCall({ timeoutMs, signal }: Call, onOver: (reason: unknown) => void): () => void {
  const timer = setTimeout(() => onOver(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  const onAbort = (): void => onOver(signal?.reason);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  };
}
