import { Agent, request } from 'undici';

export interface HttpAnswer {
  status: number;
  // The shapes are the contract's.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

/** Plain calls of the HTTP contract, without the client's own tries. Rejects when no answer came. */
export class BrokerHttp {
  readonly #agent = new Agent({ connections: 16, headersTimeout: 15_000, bodyTimeout: 15_000 });

  constructor(private readonly urls: readonly string[]) {}

  async call(method: 'GET' | 'PUT' | 'POST', path: string, body?: unknown): Promise<HttpAnswer> {
    const url = this.urls[Math.floor(Math.random() * this.urls.length)]!;
    const answer = await request(url + path, {
      method,
      dispatcher: this.#agent,
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, body: text === '' ? undefined : JSON.parse(text) };
  }

  post(path: string, body?: unknown): Promise<HttpAnswer> {
    return this.call('POST', path, body);
  }

  /**
   * Calls until there is an answer that does not say "later"; the first try that has none is told of.
   * @param goOn asked before each further try; false ends it with the last error
   */
  async firmly(
    path: string,
    body: unknown,
    lost: (error: string) => void,
    goOn: () => boolean = () => true,
  ): Promise<HttpAnswer> {
    let told = false;
    for (;;) {
      try {
        const answer = await this.post(path, body);
        if (answer.status !== 429 && answer.status !== 503) return answer;
        if (!goOn()) return answer;
      } catch (error) {
        if (!told) lost((error as Error).message);
        told = true;
        if (!goOn()) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
