import { assertBetween } from '../../message/assert-between.js';

/** Bounds of one send. */
export interface SendOptions {
  /** Bound of everything: waiting for room, tries, and the waits between them. Default 10,000. */
  timeoutMs?: number | undefined;
  /** Tries after the first one. Default 2. */
  retries?: number | undefined;
}

/** How a producer sends. What it has accepted and not yet been answered for is bounded in items and bytes. */
export interface SendSettings {
  /** Default of each send. 10,000. */
  timeoutMs: number;
  /** Default of each send. 2. */
  retries: number;
  /** Bound of one try, so that a broker that hangs leaves time for another one. Default 4,000. */
  tryTimeoutMs: number;
  /** Messages, and transaction calls, that may be under way or wait for it. Default 10,000. Each kind is counted for itself. */
  bufferItemsMax: number;
  /** Bytes of the same, as JSON. Default 64 MiB; a larger single send is taken when there is nothing else. */
  bufferBytesMax: number;
  /** Items of one gathered call. Default 1,000, and not more. */
  batchItemsMax: number;
  /** Bytes of one gathered call. Default 4 MiB; a larger single send goes alone. */
  batchBytesMax: number;
  /** Gathered calls of one kind under way at once. Default 2. Messages with an ordering key always go one call at a time. */
  inFlightMax: number;
}

export type SendSettingOptions = { [Name in keyof SendSettings]?: SendSettings[Name] | undefined };

export const sendDefaults: SendSettings = {
  timeoutMs: 10_000,
  retries: 2,
  tryTimeoutMs: 4_000,
  bufferItemsMax: 10_000,
  bufferBytesMax: 64 * 1024 * 1024,
  batchItemsMax: 1_000,
  batchBytesMax: 4 * 1024 * 1024,
  inFlightMax: 2,
};

/** The settings with the defaults where none is given. Throws `RangeError` for a value that cannot be meant. */
export function completeSendSettings(options: SendSettingOptions): SendSettings {
  const settings = { ...sendDefaults };
  for (const name of Object.keys(sendDefaults) as (keyof SendSettings)[]) {
    const value = options[name];
    if (value === undefined) continue;
    const min = name === 'retries' ? 0 : 1;
    const max = name === 'batchItemsMax' ? sendDefaults.batchItemsMax : 2 ** 31 - 1;
    assertBetween(name, value, min, max);
    settings[name] = value;
  }
  return settings;
}
