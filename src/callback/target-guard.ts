import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Problem } from '../message/problem.js';

/** The longest target URL that is taken. */
export const targetUrlLengthMax = 2_048;

/** Resolves a host name to all its addresses; `dns.lookup` with `all`. */
export type Resolve = (
  hostname: string,
  options: { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** A call to an address that callbacks may not reach. */
export class TargetNotAllowed extends Error {
  readonly code = 'HALFBOX_TARGET_NOT_ALLOWED';

  constructor(hostname: string) {
    super(`${hostname} is not a public address`);
    this.name = 'TargetNotAllowed';
  }
}

const globalUnicastV6 = ipaddr.parseCIDR('2000::/3');

/**
 * Keeps calls to URLs that others chose (check-backs, pushes) away from the broker's own network: only public unicast
 * addresses are called, unless private targets are allowed. A name is judged by the addresses that the connection
 * really uses, so a name that changes its addresses after the check gains nothing.
 */
export class TargetGuard {
  /**
   * @param allowPrivate take loopback, private, link-local and every other address too
   * @param resolve replaced in tests
   */
  constructor(
    private readonly allowPrivate: boolean,
    private readonly resolve: Resolve = systemLookup,
  ) {}

  /**
   * Checks a URL as it is given by a user: http or https, no credentials, and a host that is not an address (or
   * `localhost`) out of bounds. `validation-failed` for what is no such URL, `target-not-allowed` for the host.
   * @param path where the URL stood in the request, for the answer
   */
  checkUrl(text: string, path: string): URL {
    const refuse = (reason: string) =>
      new Problem('validation-failed', `${path} is not a URL that can be called`, { fields: [{ path, reason }] });
    if (text.length > targetUrlLengthMax) throw refuse(`longer than ${targetUrlLengthMax} characters`);
    if (!URL.canParse(text)) throw refuse('not a URL');
    const url = new URL(text);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refuse('not an http or https URL');
    if (url.username !== '' || url.password !== '') throw refuse('has credentials in it');
    if (!this.allowsHost(url)) {
      const fields = [{ path, reason: `${url.hostname} is not a public address` }];
      throw new Problem('target-not-allowed', 'private targets are refused (HALFBOX_ALLOW_PRIVATE_TARGETS)', {
        fields,
      });
    }
    return url;
  }

  /**
   * Whether the URL's host may be called as far as its text tells. The URL parser has already turned every other way to
   * write an IPv4 address (decimal, octal, hexadecimal, shortened) into dotted decimals.
   */
  allowsHost(url: URL): boolean {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (ipaddr.isValid(host)) return this.allowsAddress(host);
    return this.allowPrivate || !/(^|\.)localhost\.?$/i.test(host);
  }

  /** Whether an IP address may be connected to. */
  allowsAddress(address: string): boolean {
    if (this.allowPrivate) return true;
    if (!ipaddr.isValid(address)) return false;
    // A v4 address mapped into v6 is judged as the v4 address that the connection would reach.
    const parsed = ipaddr.process(address);
    if (parsed.range() !== 'unicast') return false;
    // Only 2000::/3 is handed out for public use; the rest holds embedded v4 addresses and ranges yet unnamed.
    return parsed.kind() === 'ipv4' || parsed.match(globalUnicastV6);
  }

  /** To be the `lookup` of every connection: gives only the addresses that are allowed. Not called for hosts that are addresses. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.resolve(hostname, { all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const allowed = addresses.filter(
        ({ address, family }) =>
          this.allowsAddress(address) && (!options.family || family === numericFamily(options.family)),
      );
      const [first] = allowed;
      if (!first) return callback(new TargetNotAllowed(hostname), []);
      if (options.all) return callback(null, allowed);
      return callback(null, first.address, first.family);
    });
  };
}

function numericFamily(family: number | 'IPv4' | 'IPv6'): number {
  if (family === 'IPv4') return 4;
  return family === 'IPv6' ? 6 : family;
}
