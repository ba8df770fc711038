/** The origins of endpoints as they were given. Throws `TypeError` for what is not the URL of a broker. */
export function givenOrigins(endpoints: readonly string[]): string[] {
  if (endpoints.length === 0) throw new TypeError('give at least one endpoint');
  return endpoints.map((endpoint) => {
    const url = /^https?:\/\//.test(endpoint) && URL.canParse(endpoint) ? new URL(endpoint) : undefined;
    if (!url) throw new TypeError(`${endpoint} is not an HTTP URL`);
    if (endpoint.replace(/\/$/, '') !== url.origin) {
      // Without what it says too much: it may be a password.
      throw new TypeError(`expected scheme, host and port of a broker only: ${url.origin}`);
    }
    return url.origin;
  });
}

/**
 * The origins of live brokers that may be called. Not those over HTTP where all given ones are HTTPS: the API key goes
 * along.
 */
export function foundOrigins(given: readonly string[], nodes: readonly { url: string }[]): Set<string> {
  const onlyHttps = given.every((origin) => origin.startsWith('https:'));
  const found = new Set<string>();
  for (const { url } of nodes) {
    const { origin, protocol } = URL.canParse(url) ? new URL(url) : { origin: '', protocol: '' };
    if (protocol === 'https:' || (protocol === 'http:' && !onlyHttps)) found.add(origin);
  }
  return found;
}
