import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Whether only programs of this machine reach a server that listens on `host`. Names other than `localhost` count as not. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) === 0) return address === 'localhost';
  return ipaddr.process(address).range() === 'loopback';
}
