import { bearerSecret, nodeHeader } from '../api/caller.js';
import { ApiKeys, type StoredKeyJson } from '../config/api-keys.js';
import type { Headers } from './call-channel.js';

/** Tells strangers from callers of whom a worker may keep a body. What a caller may do is not decided here. */
export class KnownCallers {
  readonly #keys: ApiKeys;
  readonly #node: ApiKeys;

  /** @param nodeKey the secret by which nodes know each other, as a key */
  constructor(apiKeys: readonly StoredKeyJson[], nodeKey: StoredKeyJson) {
    this.#keys = ApiKeys.restore(apiKeys);
    this.#node = ApiKeys.restore([nodeKey]);
  }

  /** Without API keys everybody is known. */
  knows(headers: Headers): boolean {
    const node = headers[nodeHeader];
    if (node !== undefined) return typeof node === 'string' && this.#node.find(node) !== null;
    if (this.#keys.count === 0) return true;
    const secret = bearerSecret(headers);
    return secret !== undefined && this.#keys.find(secret) !== null;
  }
}
