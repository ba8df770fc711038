/** One call of the HTTP contract. */
export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With its query: `/v1/topics?limit=50`. */
  path: string;
  /** Sent as JSON; undefined: no body. */
  body?: unknown;
  /** The body where it is JSON text already; goes before `body`. */
  bodyText?: string | undefined;
  /** Bound of the call, its answer included. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** An `endpoint` that has just failed: another one is tried where there is one. */
  avoid?: string | undefined;
}

/** What a broker answered, good or bad. */
export interface CallAnswer {
  status: number;
  text: string;
  /** What `text` says, where that is known without reading it. */
  value?: unknown;
  /** From `Retry-After`. */
  retryAfterMs?: number | undefined;
  /** Who answered; undefined where there is only one way. */
  endpoint?: string | undefined;
}

/** A way to a broker: over HTTP to one of several, or in this process. */
export interface Caller {
  /**
   * Makes one call, once. Rejects with `BrokerUnreachable` when no answer came; every answer of a broker, a refusal too,
   * is resolved.
   */
  call(call: Call): Promise<CallAnswer>;
  /** Finishes what is under way and frees the connections. */
  close(): Promise<void>;
}

/** The body of a call as JSON text; undefined where it has none. */
export function bodyTextOf({ body, bodyText }: Call): string | undefined {
  return bodyText ?? (body === undefined ? undefined : JSON.stringify(body));
}

/** What an answer says. Throws where that is no JSON. */
export function valueOf(answer: CallAnswer): unknown {
  // The text is made when it is asked for.
  return answer.value ?? JSON.parse(answer.text);
}
