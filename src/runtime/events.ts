/** Named events with one payload each, and their listeners. A listener that throws does not keep the others from hearing. */
export class Events<Payloads extends object> {
  private readonly listeners = new Map<keyof Payloads, Set<(payload: never) => void>>();

  /** @param onError told of what a listener threw; without it the error is thrown after all listeners have run. */
  constructor(private readonly onError?: (error: unknown) => void) {}

  /** Calls `listener` at each such event, in the order of registration. Answers how to stop that. */
  on<Name extends keyof Payloads>(name: Name, listener: (payload: Payloads[Name]) => void): () => void {
    let listeners = this.listeners.get(name);
    if (listeners === undefined) this.listeners.set(name, (listeners = new Set()));
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  emit<Name extends keyof Payloads>(name: Name, payload: Payloads[Name]): void {
    const listeners = this.listeners.get(name) as Set<(payload: Payloads[Name]) => void> | undefined;
    if (listeners === undefined) return;
    const errors: unknown[] = [];
    for (const listener of [...listeners]) {
      try {
        listener(payload);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 0) return;
    if (this.onError === undefined) throw errors[0];
    for (const error of errors) this.onError(error);
  }
}
