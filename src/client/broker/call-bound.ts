import type { Call } from './caller.js';

/** The bound of one call. */
export interface CallBound {
  /** Aborts when the time is over, or when the signal of the call does. */
  signal: AbortSignal;
  /** To be called when the call has ended. */
  end(): void;
}

/**
 * Bounds a call by its time and its signal. Written out, because `AbortSignal.any` over a signal that lives as long as
 * the client keeps something of every call.
 */
export function boundOf({ timeoutMs, signal }: Call): CallBound {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  const onAbort = () => controller.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  const end = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  };
  return { signal: controller.signal, end };
}
