import { openSync, writeSync } from 'node:fs';
import { stepChannel, type Step } from '../../../src/message/step.js';

/** What a process is to do at the nth time that it reaches a step, counted from when it was told so. */
export interface Order {
  step: Step;
  nth: number;
  /** Instead of dying: the event loop stands still for so long. */
  blockMs?: number;
  /** Instead of dying: this process dies, a server that it works with. */
  victimPid?: number;
}

/** Sent to a process that was started with this preload. */
export type SwitchMessage = { arm: Order } | { disarm: true } | { hits: true };

/** Answer to `hits`: how often each step was reached. */
export interface SwitchAnswer {
  hits: Record<string, number>;
}

/** Written to the file of `CHAOS_KILLS`, a line each, before it happens. */
export interface StepTaken extends Order {
  at: number;
  process: string;
}

const kills = openSync(process.env['CHAOS_KILLS']!, 'a');
const hits: Record<string, number> = {};
let order: Order | undefined = process.env['CHAOS_ORDER'] && JSON.parse(process.env['CHAOS_ORDER']);

function carryOut({ step, nth, blockMs, victimPid }: Order): void {
  const taken: StepTaken = { at: Date.now(), process: process.env['CHAOS_PROCESS']!, step, nth };
  if (blockMs !== undefined) taken.blockMs = blockMs;
  if (victimPid !== undefined) taken.victimPid = victimPid;
  writeSync(kills, `${JSON.stringify(taken)}\n`);
  if (blockMs !== undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs);
  else process.kill(victimPid ?? process.pid, 'SIGKILL');
}

stepChannel.subscribe((message) => {
  const step = message as Step;
  hits[step] = (hits[step] ?? 0) + 1;
  if (order?.step !== step) return;
  order.nth -= 1;
  if (order.nth > 0) return;
  const due = order;
  order = undefined;
  carryOut(due);
});

process.on('message', (message: SwitchMessage) => {
  if ('arm' in message) order = { ...message.arm };
  else if ('disarm' in message) order = undefined;
  else if ('hits' in message) process.send?.({ hits } satisfies SwitchAnswer);
});
// A process must end by itself when its work is done, and with the harness at the latest.
process.channel?.unref();
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
