import { newId } from '../../../src/message/message-id.js';
import type { Answered, Decision } from '../facts.js';
import type { BrokerHttp, HttpAnswer } from './http.js';
import { intended, messagesOf, type Operation, type Orders, type OutgoingMessage } from './operation.js';

type Resolve = (order: string, transaction: string, verb: 'commit' | 'rollback') => Promise<boolean>;

/**
 * Everything that goes over plain HTTP: transactions that are resolved, or left to check-back; bursts; messages that go soon.
 * @param instance of the producer `shop` in this process, whose fence answers what this leaves unfinished
 */
export function rawOperations(
  http: BrokerHttp,
  orders: Orders,
  instance: string,
): { operations: Operation[]; resolve: Resolve } {
  const { random, write } = orders;

  const lost = (order: string) => (error: string) => write({ kind: 'lost', order, error });

  const answered = (order: string, { status, body }: HttpAnswer, what: Answered['what']): boolean => {
    if (status !== 200 && status !== 201) return false;
    write({ kind: 'answered', order, what, places: body.messages });
    return true;
  };

  const prepare = async (decision: Decision, mute = false): Promise<{ order: string; transaction: string } | null> => {
    const order = orders.next();
    const transaction = newId();
    const messages = messagesOf(orders, order, random.integer(1, 3));
    const entry = {
      kind: 'intended',
      order,
      way: 'raw',
      decision,
      transaction,
      messages: messages.map(intended),
    } as const;
    write(mute ? { ...entry, mute } : entry);
    const producer = mute ? 'mute' : 'raw';
    const answer = await http.firmly('/v1/transactions', { id: transaction, producer, messages }, lost(order));
    return answered(order, answer, 'prepared') ? { order, transaction } : null;
  };

  const resolve: Resolve = async (order, transaction, verb) => {
    const answer = await http.firmly(`/v1/transactions/${transaction}/${verb}`, undefined, lost(order));
    return answered(order, answer, verb === 'commit' ? 'committed' : 'rolled_back');
  };

  const resolved = (verb: 'commit' | 'rollback') => async () => {
    const prepared = await prepare(verb);
    if (!prepared) return;
    const { order, transaction } = prepared;
    if (!(await resolve(order, transaction, verb)) || !random.percent(30)) return;
    const opposite = verb === 'commit' ? 'rollback' : 'commit';
    const answer = await http.firmly(`/v1/transactions/${transaction}/${opposite}`, undefined, lost(order));
    write({ kind: 'contradicted', order, accepted: answer.status === 200 });
  };

  const silent = (decision: Decision) => async () => void (await prepare(decision));

  /**
   * What a process of this instance leaves that dies between the prepare of a local transaction and its BEGIN: the check finds no
   * fence row, and settles that there will never be one.
   */
  const unfinishedLocal = async (): Promise<void> => {
    const order = orders.next();
    const transaction = newId();
    const messages = messagesOf(orders, order, random.integer(1, 3));
    write({ kind: 'intended', order, way: 'raw', decision: 'local', transaction, messages: messages.map(intended) });
    const request = { id: transaction, producer: 'shop', instance, messages };
    answered(order, await http.firmly('/v1/transactions', request, lost(order)), 'prepared');
  };

  const muted = (decision: 'commit' | 'rollback') => async () => void (await prepare(decision, true));

  const send = async (messages: (order: string) => OutgoingMessage[]): Promise<void> => {
    const order = orders.next();
    const sent = messages(order);
    write({ kind: 'intended', order, way: 'plain', decision: 'send', messages: sent.map(intended) });
    answered(order, await http.firmly('/v1/messages', { messages: sent }, lost(order)), 'sent');
  };

  const burst = () =>
    send((order) => {
      const orderingKey = `hot-${random.integer(1, 4)}`;
      return messagesOf(orders, order, 12, { orderingKey });
    });

  const brief = () => send((order) => messagesOf(orders, order, 2, { topic: 'brief', orderingKey: 'brief' }));

  return {
    operations: [
      { name: 'commit', weight: 10, run: resolved('commit') },
      { name: 'rollback', weight: 6, run: resolved('rollback') },
      { name: 'silent, to be committed', weight: 5, run: silent('commit') },
      { name: 'silent, to be rolled back', weight: 4, run: silent('rollback') },
      { name: 'silent for ever', weight: 2, run: silent('unknown') },
      { name: 'local, left unfinished', weight: 4, run: unfinishedLocal },
      { name: 'mute, to be committed', weight: 2, run: muted('commit') },
      { name: 'mute, to be rolled back', weight: 1, run: muted('rollback') },
      { name: 'burst of one key', weight: 1, run: burst },
      { name: 'brief', weight: 4, run: brief },
    ],
    resolve,
  };
}
