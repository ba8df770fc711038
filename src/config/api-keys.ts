import { createHash, timingSafeEqual } from 'node:crypto';

/** What a key may do. `produce`: messages, transactions and its own producer; `consume`: receive and settle; `admin`: the rest. */
export const scopes = ['produce', 'consume', 'admin'] as const;

export type Scope = (typeof scopes)[number];

/** Who calls. */
export interface Caller {
  /** The key's name; also the name of the producer that it may manage without `admin`. */
  name: string;
  scopes: ReadonlySet<Scope>;
}

interface StoredKey extends Caller {
  digest: Buffer;
}

/** A key that JSON can carry. */
export interface StoredKeyJson {
  name: string;
  scopes: Scope[];
  /** SHA-256 of the secret, in base64. */
  digest: string;
}

const namePattern = /^[A-Za-z0-9_-]{1,64}$/;

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** The API keys of this process, as SHA-256 digests: the secrets themselves are not kept. */
export class ApiKeys {
  readonly #keys: StoredKey[];

  private constructor(keys: StoredKey[]) {
    this.#keys = keys;
  }

  /** How many there are. With 0 every caller may do everything, and the server listens on loopback only. */
  get count(): number {
    return this.#keys.length;
  }

  /**
   * Reads `name:secret:scope+scope,…`. A secret may hold colons, not commas.
   * Throws an `Error` that names the key by its place, never its secret.
   */
  static parse(text: string): ApiKeys {
    const keys: StoredKey[] = [];
    for (const [index, entry] of text.split(',').entries()) {
      const key = parseKey(entry.trim(), `key ${index + 1}`);
      if (keys.some(({ name }) => name === key.name))
        throw new Error(`key ${index + 1}: the name ${key.name} is used twice`);
      if (keys.some(({ digest }) => digest.equals(key.digest)))
        throw new Error(`key ${index + 1}: its secret is used twice`);
      keys.push(key);
    }
    return new ApiKeys(keys);
  }

  /** As {@link stored} gave them in another process. */
  static restore(stored: readonly StoredKeyJson[]): ApiKeys {
    return new ApiKeys(
      stored.map(({ name, scopes: granted, digest }) => ({
        ...{ name, scopes: new Set(granted) },
        digest: Buffer.from(digest, 'base64'),
      })),
    );
  }

  /** What another process of the broker needs to know the keys; no secret can be read from it. */
  get stored(): StoredKeyJson[] {
    return this.#keys.map(({ name, scopes: granted, digest }) => ({
      ...{ name, scopes: [...granted] },
      digest: digest.toString('base64'),
    }));
  }

  /** A secret as one key without scopes, for {@link restore}. */
  static storedOf(name: string, secret: string): StoredKeyJson {
    return { name, scopes: [], digest: digestOf(secret).toString('base64') };
  }

  /** No keys at all. */
  static none(): ApiKeys {
    return new ApiKeys([]);
  }

  /** The caller that this secret names; null when none. Compares with every key in constant time. */
  find(secret: string): Caller | null {
    const digest = digestOf(secret);
    let found: Caller | null = null;
    for (const key of this.#keys) {
      if (timingSafeEqual(key.digest, digest)) found = key;
    }
    return found;
  }
}

function parseKey(entry: string, place: string): StoredKey {
  const first = entry.indexOf(':');
  const last = entry.lastIndexOf(':');
  if (first < 0 || first === last) throw new Error(`${place}: expected name:secret:scope+scope`);
  const name = entry.slice(0, first);
  const secret = entry.slice(first + 1, last);
  if (!namePattern.test(name)) throw new Error(`${place}: the name must be 1 to 64 of A-Z a-z 0-9 _ -`);
  if (secret.length === 0) throw new Error(`${place} (${name}): the secret is empty`);
  const granted = entry.slice(last + 1).split('+');
  const unknown = granted.find((scope) => !(scopes as readonly string[]).includes(scope));
  if (unknown !== undefined) {
    throw new Error(`${place} (${name}): unknown scope; the scopes are ${scopes.join(', ')}`);
  }
  return { name, scopes: new Set(granted as Scope[]), digest: digestOf(secret) };
}

/** Whether two secrets are the same, in a time that does not depend on where they differ. */
export function sameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(digestOf(given), digestOf(expected));
}
