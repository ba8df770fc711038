import type { MessageBody } from './message.js';

/**
 * A body as the member of a JSON object that carries its message: `"body":…` with the very text that was stored, or
 * `"bodyBase64":"…"` for one that was not JSON. Splicing the text in keeps numbers as they were sent, and is faster
 * than parsing it.
 */
export function bodyMember(body: MessageBody): string {
  return body.json !== undefined ? `"body":${body.json}` : `"bodyBase64":"${body.bytes.toString('base64')}"`;
}

/** The JSON text of an object of plain members, with a message's body as its last one. Undefined members are left out. */
export function textWithBody(members: Record<string, unknown>, body: MessageBody): string {
  const head = JSON.stringify(members);
  return `${head.slice(0, -1)}${head.length > 2 ? ',' : ''}${bodyMember(body)}}`;
}
