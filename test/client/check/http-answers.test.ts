import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { newSecret, signedHeaders } from '../../../src/callback/signer.js';
import type { Answer, Question } from '../../../src/client/check/answerer.js';
import { answerHttp, httpAnswers } from '../../../src/client/check/http-answers.js';
import { RunningBroker } from '../../api/running-broker.js';
import { until } from '../../queue/until.js';

const secret = newSecret();
const body = JSON.stringify({ transactionId: 'tx-1', producer: 'shop', attempt: 1, messages: [] });

function answerer(reply: (question: Question) => Answer | Promise<Answer>) {
  return { answer: async (question: Question) => reply(question) };
}

/** As the reference implementation signs it. */
function signed(text = body, by = secret, at = new Date()): Record<string, string> {
  return {
    'webhook-id': 'tx-1:check:1',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(by).sign('tx-1:check:1', at, text),
  };
}

describe('answerHttp', () => {
  it('answers a question that the broker signed', async () => {
    const questions: Question[] = [];
    const options = {
      secret,
      answerer: answerer((question) => {
        questions.push(question);
        return 'rollback';
      }),
    };
    expect(await answerHttp({ headers: signed(), body }, options)).toEqual({
      status: 200,
      body: '{"resolution":"rollback"}',
    });
    expect(questions).toEqual([JSON.parse(body)]);
  });

  it('takes either secret while it is being rotated, on both sides', async () => {
    const old = newSecret();
    const options = { answerer: answerer(() => 'commit') };
    const fromBroker = signedHeaders(
      { current: secret, previous: old, previousUntil: Date.now() + 60_000 },
      'tx-1:check:1',
      body,
      Date.now(),
    );
    for (const known of [secret, old, [newSecret(), old]]) {
      expect((await answerHttp({ headers: fromBroker, body }, { ...options, secret: known })).status).toBe(200);
    }
  });

  it.each<[string, Record<string, string>, string]>([
    ['no signature', {}, body],
    ['another body', signed(), body.replace('tx-1', 'tx-2')],
    ['another secret', signed(body, newSecret()), body],
    ['an old signature', signed(body, secret, new Date(Date.now() - 301_000)), body],
    ['a signature of the future', signed(body, secret, new Date(Date.now() + 302_000)), body],
    ['another id', { ...signed(), 'webhook-id': 'tx-2:check:1' }, body],
    ['a signature of another length', { ...signed(), 'webhook-signature': 'v1,AAAA' }, body],
    ['a signature of another scheme', { ...signed(), 'webhook-signature': 'v1a,AAAA' }, body],
    ['a time that is no number', { ...signed(), 'webhook-timestamp': 'now' }, body],
  ])('refuses a request with %s, and asks nobody', async (_name, headers, text) => {
    let asked = 0;
    const counting = answerer(() => {
      asked += 1;
      return 'commit';
    });
    expect((await answerHttp({ headers, body: text }, { secret, answerer: counting })).status).toBe(401);
    expect(asked).toBe(0);
  });

  it.each(['', 'whsec_'])('takes the secret "%s" for none: nobody can sign by it', async (empty) => {
    const bytes = `tx-1:check:1.${signed()['webhook-timestamp']}.${body}`;
    const forged = createHmac('sha256', '').update(bytes).digest('base64');
    const headers = { ...signed(), 'webhook-signature': `v1,${forged}` };
    const options = { secret: [empty, secret], answerer: answerer(() => 'commit') };
    expect((await answerHttp({ headers, body }, options)).status).toBe(401);
    expect((await answerHttp({ headers: signed(), body }, options)).status).toBe(200);
  });

  it('has no answer where the answerer throws, or the body is no question', async () => {
    const failing = answerer(() => Promise.reject(new Error('away')));
    expect((await answerHttp({ headers: signed(), body }, { secret, answerer: failing })).status).toBe(500);
    const text = 'not JSON';
    expect((await answerHttp({ headers: signed(text), body: text }, { secret, answerer: failing })).status).toBe(400);
  });
});

describe('httpAnswers', () => {
  let server: Server;
  let broker: RunningBroker;
  let url: string;
  let current = '';
  let reply: Answer = 'commit';

  beforeAll(async () => {
    broker = await RunningBroker.start();
    const handler = (request: Parameters<ReturnType<typeof httpAnswers>>[0], response: never) =>
      httpAnswers({ secret: current, answerer: answerer(() => reply), bodyBytesMax: 100_000 })(request, response);
    server = createServer(handler as never).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/check-back`;
  });

  afterAll(async () => {
    await broker.stop();
    server.close();
  });

  it('answers a real broker', async () => {
    const { body: producer } = await broker.put('/v1/producers/shop', { checkBack: { type: 'http', url } });
    current = producer.secret as string;
    for (const resolution of ['commit', 'rollback'] as const) {
      reply = resolution;
      const messages = [{ topic: 'orders', body: { text: 'é' } }];
      const { body: prepared } = await broker.post('/v1/transactions', {
        producer: 'shop',
        firstCheckAfterMs: 100,
        messages,
      });
      const state = resolution === 'commit' ? 'committed' : 'rolled_back';
      await until(state, async () => (await broker.get(`/v1/transactions/${prepared.id}`)).body.state === state);
    }
  });

  it('reads no more of a body than it may', async () => {
    const large = 'x'.repeat(100_001);
    const answer = await fetch(url, { method: 'POST', headers: signed(large, current), body: large });
    expect(answer.status).toBe(413);
  });
});
