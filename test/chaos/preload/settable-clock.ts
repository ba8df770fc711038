/** Sent to a process that was started with this preload: its clock goes wrong by so much, until the next one. */
export interface ClockMessage {
  clockOffMs: number;
}

let offMs = 0;
const RealDate = Date;

/** Timers go on as they are: what is set is the time of day. */
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: [], newTarget) =>
    Reflect.construct(target, args.length === 0 ? [RealDate.now() + offMs] : args, newTarget) as Date,
  apply: () => new RealDate(RealDate.now() + offMs).toString(),
  get: (target, name) => (name === 'now' ? () => RealDate.now() + offMs : (Reflect.get(target, name) as unknown)),
});

process.on('message', (message: ClockMessage | object) => {
  if ('clockOffMs' in message) offMs = message.clockOffMs;
});
process.channel?.unref();
