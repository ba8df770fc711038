import fc from 'fast-check';
import { sqliteServer } from '../../store/databases.js';
import { RawConnection } from './connection.js';
import { answerMsMax, FuzzedBroker } from './fuzzed-broker.js';
import { fuzzKey } from './requests.js';
import { requests, seed } from './runs.js';

/** Streams that are fuzzed. */
const streams = Math.ceil(requests / 10);
/** Streams that are open at the same time. */
const batch = 20;

const handshake = `GET /v1/producers/shop/checks?instance=fuzz HTTP/1.1\r
host: a\r
authorization: Bearer ${fuzzKey}\r
connection: upgrade\r
upgrade: websocket\r
sec-websocket-version: 13\r
sec-websocket-key: ${Buffer.alloc(16, 'k').toString('base64')}\r
\r
`;

interface Frame {
  fin: boolean;
  reserved: number;
  opcode: number;
  masked: boolean;
  payload: Buffer;
  /** What it says of its length, where that is a lie. */
  says?: number | undefined;
}

function bytesOf({ fin, reserved, opcode, masked, payload, says }: Frame): Buffer {
  const length = says ?? payload.length;
  const long = length > 125;
  const head = Buffer.alloc(long ? 10 : 2);
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | (long ? 127 : length);
  if (long) head.writeBigUInt64BE(BigInt(length), 2);
  // A mask of zeros leaves the payload as it is.
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0), payload]);
}

const texts = [
  '{"type":"heartbeat"}',
  '{"type":"answer","id":"1","resolution":"commit"}',
  '{"type":"answer","id":"1","resolution":"maybe"}',
  '{"type":"answer","id":{"__proto__":1},"resolution":"commit"}',
  '{"type":"error","id":"9","message":"\\ud800\\u0000"}',
  '{"__proto__":{"type":"heartbeat"}}',
  '['.repeat(30_000),
  '9'.repeat(60_000),
  'null',
  '',
  'x'.repeat(70_000),
];

const payload = fc.oneof(
  fc.constantFrom(...texts).map((text) => Buffer.from(text)),
  fc.constantFrom('\xff\xfe', '\xed\xa0\x80').map((text) => Buffer.from(text, 'latin1')),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);

const frame: fc.Arbitrary<Frame> = fc.record({
  fin: fc.oneof({ arbitrary: fc.constant(true), weight: 4 }, { arbitrary: fc.constant(false), weight: 1 }),
  reserved: fc.oneof({ arbitrary: fc.constant(0), weight: 6 }, { arbitrary: fc.nat(7), weight: 1 }),
  opcode: fc.oneof({ arbitrary: fc.constantFrom(1, 1, 1, 2, 9, 10), weight: 6 }, { arbitrary: fc.nat(15), weight: 1 }),
  masked: fc.oneof({ arbitrary: fc.constant(true), weight: 6 }, { arbitrary: fc.constant(false), weight: 1 }),
  payload,
  says: fc.option(fc.constantFrom(0, 3, 126, 65_537, 2 ** 31, Number.MAX_SAFE_INTEGER), { nil: undefined, freq: 8 }),
});

/** What a client may do with its stream. Sooner or later it does something that ends it. */
const misdeeds = fc.oneof(
  { arbitrary: fc.array(frame, { minLength: 1, maxLength: 8 }).map((frames) => frames.map(bytesOf)), weight: 6 },
  { arbitrary: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => [Buffer.from(bytes)]), weight: 2 },
  // Floods of what is allowed once in a while.
  { arbitrary: frame.map((one) => Array<Buffer>(3_000).fill(bytesOf(one))), weight: 1 },
);

/** Not of the contract, and not the end of anything that could have been begun. */
const lastWords = bytesOf({ fin: true, reserved: 0, opcode: 1, masked: true, payload: Buffer.from('nonsense') });

describe(`streams of a client that sends anything (seed ${seed})`, () => {
  jest.setTimeout(120_000 + streams * 200);
  let broker: FuzzedBroker;
  let place: { url: string; remove(): Promise<void> };

  beforeAll(async () => {
    place = await sqliteServer.provide();
    const environment = { HALFBOX_STORE_URL: place.url, HALFBOX_STREAM_HEARTBEAT_MS: '300' };
    broker = await FuzzedBroker.start(environment);
  });

  afterAll(async () => {
    await broker.stop();
    await place.remove();
  });

  const misbehave = async (bytes: Buffer[]): Promise<void> => {
    const connection = await RawConnection.open(broker.port);
    connection.send(handshake);
    const answer = await connection.answer(answerMsMax);
    expect(answer?.status).toBe(101);
    connection.send(Buffer.concat([...bytes, lastWords]));
    // Refused at once, or ended because no sign of life comes: never left open.
    await connection.ended(answerMsMax);
    connection.close();
  };
  const health = async () => (await fetch(`${broker.process.url}/health/ready`)).status;

  it('end, one and all, and nothing of them stays', async () => {
    const run = (numRuns: number) =>
      fc.check(
        fc.asyncProperty(fc.array(misdeeds, { minLength: batch, maxLength: batch }), async (all) => {
          await Promise.all(all.map(misbehave));
          expect(await health()).toBe(200);
        }),
        { seed, numRuns, endOnFailure: true },
      );
    const first = await run(2);
    if (first.failed) throw new Error(`seed ${seed}`, { cause: first.errorInstance });
    const before = await broker.heapBytes();
    const all = await run(Math.ceil(streams / batch));
    if (all.failed) throw new Error(`seed ${seed}`, { cause: all.errorInstance });
    expect((await broker.heapBytes()) - before).toBeLessThan(2 * 1024 * 1024);
    const metrics = await (
      await fetch(`${broker.process.url}/metrics`, { headers: { authorization: `Bearer ${fuzzKey}` } })
    ).text();
    expect(metrics).toMatch(/^halfbox_\w*streams\w*(\{[^}]*\})? 0$/m);
  });
});
