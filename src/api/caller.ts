import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sameSecret, type ApiKeys, type Caller, type Scope } from '../config/api-keys.js';
import { Problem } from '../message/problem.js';
import type { Access } from './endpoint.js';

/** Header by which nodes of one store know each other. Its value is the store's node secret. */
export const nodeHeader = 'halfbox-node';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; set before the handler of every endpoint that is not open. */
    caller: Caller | null;
    /** Another node sent it: it is answered here and not passed on again. */
    fromNode: boolean;
  }
}

const everyScope = new Set<Scope>(['produce', 'consume', 'admin']);
const anonymous: Caller = { name: 'anonymous', scopes: everyScope };
const otherNode: Caller = { name: 'node', scopes: everyScope };
const application: Caller = { name: 'application', scopes: everyScope };

const bearer = /^Bearer +(\S.*)$/i;

/** The secret of `Authorization: Bearer secret`. */
export function bearerSecret({ authorization }: Pick<IncomingHttpHeaders, 'authorization'>): string | undefined {
  return bearer.exec(authorization ?? '')?.[1]?.trim();
}

/** Finds out who calls, and whether they may. */
export class CallerGuard {
  /** @param grant secret of the calls that the broker's own process makes; they may do everything */
  constructor(
    private readonly keys: ApiKeys,
    private readonly nodeSecret: string,
    private readonly grant?: string,
  ) {}

  /** Who the broker's own process is. */
  get ofThisProcess(): Caller {
    return this.keys.count === 0 ? anonymous : application;
  }

  /** Sets `request.caller`. `unauthorized` without a valid key, `forbidden` without a scope that the endpoint takes. */
  admit(request: FastifyRequest, reply: FastifyReply, access: Access): void {
    if (access === 'open') return;
    const caller = this.#identify(request.headers);
    request.fromNode = caller === otherNode;
    if (!caller) {
      reply.header('www-authenticate', 'Bearer');
      throw new Problem('unauthorized', 'send a valid API key as Authorization: Bearer secret');
    }
    const admitted = access === 'node' ? request.fromNode : access.some((scope) => caller.scopes.has(scope));
    if (!admitted) {
      const needed = access === 'node' ? 'another node of this store' : `scope ${access.join(' or ')}`;
      throw new Problem('forbidden', `this call needs ${needed}`);
    }
    request.caller = caller;
  }

  #identify(headers: IncomingHttpHeaders): Caller | null {
    const node = headers[nodeHeader];
    if (node !== undefined) return typeof node === 'string' && sameSecret(node, this.nodeSecret) ? otherNode : null;
    if (this.keys.count === 0) {
      refuseForeignPages(headers);
      return anonymous;
    }
    const secret = bearerSecret(headers);
    if (secret === undefined) return null;
    if (this.grant !== undefined && sameSecret(secret, this.grant)) return application;
    return this.keys.find(secret);
  }
}

/**
 * Without keys, being on this machine is what admits a caller. A browser is on this machine too, and any web page can
 * make it call: its own name then stands in `Origin`, or (a name that was made to point here) in `Host`.
 */
function refuseForeignPages({ host, origin }: IncomingHttpHeaders): void {
  for (const name of [host, origin?.replace(/^\w+:\/\//, '')]) {
    if (name === undefined || localName.test(name)) continue;
    throw new Problem('forbidden', `calls by or for ${name.slice(0, 100)} need an API key (HALFBOX_API_KEYS)`);
  }
}

/** `localhost` or an IP address, with or without a port. */
const localName = /^(localhost|[\d.]+|\[[\da-f:.]+\])(:\d+)?$/i;

/** The caller of an endpoint that is not open. */
export function callerOf(request: FastifyRequest): Caller {
  if (!request.caller) throw new Error('an endpoint without access rules has no caller');
  return request.caller;
}

/** Throws `forbidden` unless the caller has the scope. */
export function requireScope(request: FastifyRequest, scope: Scope): void {
  if (!callerOf(request).scopes.has(scope)) throw new Problem('forbidden', `this needs scope ${scope}`);
}

/** Throws `forbidden` unless the caller is an admin, or a producing key of the producer's name. */
export function requireOwnProducer(request: FastifyRequest, producer: string): void {
  const { name, scopes } = callerOf(request);
  if (scopes.has('admin') || (scopes.has('produce') && name === producer)) return;
  throw new Problem('forbidden', `another key's producer needs scope admin; this key is ${name}`);
}
