import { isUtf8 } from 'node:buffer';
import secureJson from 'secure-json-parse';
import { bounds } from '../message/bounds.js';
import { Problem } from '../message/problem.js';

const quote = 0x22;
const backslash = 0x5c;

function refuse(reason: string): Problem {
  return new Problem('validation-failed', `the body ${reason}`, { fields: [{ path: '', reason }] });
}

/** Where the string that starts before `from` ends: the place of its closing quote. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from); ; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === backslash) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
}

interface Measured {
  members: number;
  depth: number;
  /** The first number that would be another one after parsing. */
  inexact: string | undefined;
}

/** What `JSON.parse` does not tell of a text that is known to be valid JSON. */
function measure(text: string): Measured {
  let members = 0;
  let depth = 0;
  let deepest = 0;
  let inexact: string | undefined;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === quote) index = endOfString(text, index + 1);
    else if (code === 0x3a) members += 1;
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, (depth += 1));
    else if (code === 0x7d || code === 0x5d) depth -= 1;
    else if (isDigit(code)) {
      const end = endOfNumber(text, index + 1);
      if (!isExact(text, index, end)) inexact ??= text.slice(index, end);
      index = end - 1;
    }
  }
  return { members, depth: deepest, inexact };
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** The place after a number that began before `from`: digits, and `+`, `-`, `.`, `E` and `e` among them. */
function endOfNumber(text: string, from: number): number {
  let end = from;
  for (
    let code = text.charCodeAt(end);
    isDigit(code) || code === 0x2b || code === 0x2d || code === 0x2e || (code | 0x20) === 0x65;
  ) {
    end += 1;
    code = text.charCodeAt(end);
  }
  return end;
}

/** Digits of the largest number that there is, `Number.MAX_VALUE`. */
const digitsMax = 309;

/** Whether an integer keeps all its digits, and any other number stays finite. Up to 15 digits always do. */
function isExact(text: string, start: number, end: number): boolean {
  const number = text.slice(start, end);
  if (!/[.eE]/.test(number)) return number.length <= 15 || isExactInteger(number);
  return Number.isFinite(Number(number));
}

function isExactInteger(digits: string): boolean {
  // Reading a longer one would take long, and there is no number to compare it with.
  if (digits.length > digitsMax || !Number.isFinite(Number(digits))) return false;
  return BigInt(digits) === BigInt(Number(digits));
}

function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') members += membersOf(item);
    return members;
  }
  for (const key in value) {
    members += 1;
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === 'object') members += membersOf(item);
  }
  return members;
}

/** Reads a request body as {@link parseJson} does; undefined where there is none. */
export function parseBody(bytes: Buffer): unknown {
  return bytes.length === 0 ? undefined : parseJson(bytes);
}

/**
 * Reads JSON strictly: UTF-8, one JSON value, no `__proto__` member, no member twice in an object (JSON.parse
 * would drop one silently), no number that would silently become another one, at most `bounds.jsonDepthMax` deep. Throws
 * `Problem('validation-failed')`.
 */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw refuse('is not valid UTF-8');
  return parseJsonText(bytes.toString('utf8'));
}

/** As {@link parseJson}, of a text that is read already. */
export function parseJsonText(text: string): unknown {
  let value: unknown;
  try {
    value = secureJson.parse(text, undefined, { protoAction: 'error', constructorAction: 'ignore' });
  } catch (error) {
    // Only the parser's two own reasons are known to hold nothing of the body.
    const forbidden = error instanceof SyntaxError && error.message === 'Object contains forbidden prototype property';
    throw refuse(forbidden ? 'has a __proto__ member' : 'is not valid JSON');
  }
  const { members, depth, inexact } = measure(text);
  if (depth > bounds.jsonDepthMax) throw refuse(`is nested deeper than ${bounds.jsonDepthMax}`);
  if (members !== membersOf(value)) throw refuse('names a member twice in one object');
  if (inexact !== undefined)
    throw refuse(`has a number that cannot be kept exactly (send it as text): ${inexact.slice(0, 40)}`);
  return value;
}
