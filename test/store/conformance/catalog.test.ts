import type { IdentifiedMessage } from '../../../src/message/message.js';
import type { Producer, Topic } from '../../../src/store/catalog-store.js';
import type { MessageStore } from '../../../src/store/message-store.js';
import { until } from '../../queue/until.js';
import { describeConformance, sqlTest, type ConformingStore } from '../databases.js';

const topicOf = (name: string, change: Partial<Topic> = {}): Topic => ({
  name,
  shards: 2,
  retentionMs: 1_000,
  bodyBytesMax: 4_096,
  createdAt: 1_700_000_000_000,
  ...change,
});

const producerOf = (name: string, change: Partial<Producer> = {}): Producer => ({
  name,
  createdAt: 1_700_000_000_000,
  ...change,
});

const messageOf = (id: string, topic: string, change: Partial<IdentifiedMessage> = {}): IdentifiedMessage => ({
  id,
  idGiven: true,
  topic,
  body: { json: '{}' },
  ...change,
});

const subscriptionConfig = {
  mode: 'pull' as const,
  filter: '*',
  maxAttempts: 3,
  retry: { fixedMs: 1_000 },
  maxInFlight: 10,
  onDeadLetter: 'continue' as const,
};

describeConformance('catalog', (open, kind) => {
  let opened: ConformingStore;
  let store: MessageStore;
  let other: MessageStore;

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
    other = await opened.another();
  });

  const send = async (...messages: IdentifiedMessage[]) => {
    const { outcomes } = await store.half.append([{ kind: 'send', messages }], { now: Date.now }, 1_000);
    return outcomes[0]!;
  };
  const prepare = async (id: string, producer: string, topic: string) => {
    const messages = [messageOf(`${id}-message`, topic, { tag: 'quoted' })];
    const item = { transactionId: id, producer, messages, firstCheckAfterMs: 1_000 };
    return store.half.prepare([item], await store.now());
  };

  describe('topics', () => {
    it('creates one, changes what may change, and keeps its shards', async () => {
      expect(await store.catalog.putTopic(topicOf('orders'))).toEqual(topicOf('orders'));
      const changed = topicOf('orders', { retentionMs: 2_000, bodyBytesMax: 1, createdAt: 5 });
      const expected = { ...changed, createdAt: topicOf('orders').createdAt };
      expect(await store.catalog.putTopic(changed)).toEqual(expected);
      expect(await store.catalog.getTopic('orders')).toEqual(expected);
      await expect(store.catalog.putTopic(topicOf('orders', { shards: 3 }))).rejects.toMatchObject({
        slug: 'already-exists',
      });
      expect(await store.catalog.getTopic('orders')).toEqual(expected);
    });

    it('answers null for one that is not there', async () => {
      expect(await store.catalog.getTopic('nothing')).toBeNull();
      expect(await store.catalog.deleteTopic('nothing', false)).toBe(false);
    });

    it('ensures one once, however many connections ask at a time', async () => {
      const asked = Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? store : other).catalog.ensureTopic(topicOf('ensured', { shards: 1 + (index % 4) })),
      );
      const answers = await Promise.all(asked);
      const stored = await store.catalog.getTopic('ensured');
      for (const answer of answers) expect(answer).toEqual(stored);
      const heads = await store.lanes.heads(['ensured']);
      expect(heads).toHaveLength(stored!.shards);
    });

    it('puts one once, however many connections ask at a time', async () => {
      const asked = Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? store : other).catalog.putTopic(topicOf('put-at-once', { retentionMs: index + 1 })),
      );
      await Promise.all(asked);
      expect(await store.lanes.heads(['put-at-once'])).toHaveLength(2);
    });

    it('tells names apart byte by byte', async () => {
      const names = ['Case', 'case', 'case.', 'case-', 'case_', 'caseX'];
      for (const [index, name] of names.entries()) {
        await store.catalog.putTopic(topicOf(name, { shards: index + 1 }));
      }
      for (const [index, name] of names.entries()) {
        expect(await store.catalog.getTopic(name)).toMatchObject({ name, shards: index + 1 });
      }
      expect(await store.catalog.getTopic('CASE')).toBeNull();
    });

    it('lists them in pages, each once, in byte order', async () => {
      const names: string[] = [];
      let after: string | undefined;
      do {
        const page = await store.catalog.listTopics(after, 2);
        expect(page.items.length).toBeLessThanOrEqual(2);
        names.push(...page.items.map((topic) => topic.name));
        after = page.next ?? undefined;
      } while (after !== undefined);
      expect(names).toEqual([...new Set(names)].sort());
      expect(names).toEqual(expect.arrayContaining(['orders', 'Case', 'case.', 'ensured']));
      const all = await store.catalog.listTopics(undefined, names.length);
      expect(all.next).toBeNull();
      expect(all.items).toHaveLength(names.length);
    });
  });

  describe('deleting a topic', () => {
    const notEmpty = { slug: 'not-empty' };

    it('refuses while a subscription has unsettled messages, and deletes everything when forced', async () => {
      await store.catalog.putTopic(topicOf('full'));
      await store.subscriptions.put('full', 'idle', subscriptionConfig, 'earliest', undefined, await store.now());
      expect(await send(messageOf('full-1', 'full'), messageOf('full-2', 'full'))).toHaveProperty('value');
      await expect(store.catalog.deleteTopic('full', false)).rejects.toMatchObject(notEmpty);
      expect(await store.catalog.getTopic('full')).not.toBeNull();
      expect(await store.catalog.deleteTopic('full', true)).toBe(true);
      expect(await store.catalog.getTopic('full')).toBeNull();
      expect(await store.subscriptions.get('full', 'idle')).toBeNull();
      expect(await store.lanes.readMessages(['full-1', 'full-2'])).toEqual(new Map());
      expect(await send(messageOf('full-3', 'full'))).toMatchObject({ problem: { slug: 'topic-not-found' } });
    });

    it('lets a topic of the same name begin afresh', async () => {
      await store.catalog.putTopic(topicOf('full', { shards: 1 }));
      expect(await send(messageOf('full-1', 'full'))).toMatchObject({
        value: { messages: [{ id: 'full-1', placement: { shard: 0, offset: 0 } }] },
      });
      expect(await store.lanes.readLog('full', 0, 0, 10)).toHaveLength(1);
    });

    it('deletes one whose messages no subscription waits for', async () => {
      await store.catalog.putTopic(topicOf('unread'));
      await send(messageOf('unread-1', 'unread'));
      expect(await store.catalog.deleteTopic('unread', false)).toBe(true);
      expect(await store.lanes.readMessages(['unread-1'])).toEqual(new Map());
    });

    it('refuses while a message waits for its time', async () => {
      await store.catalog.putTopic(topicOf('later'));
      await send(messageOf('later-1', 'later', { delayMs: 60_000 }));
      await expect(store.catalog.deleteTopic('later', false)).rejects.toMatchObject(notEmpty);
      expect(await store.catalog.deleteTopic('later', true)).toBe(true);
      expect(await store.lanes.readMessages(['later-1'])).toEqual(new Map());
    });

    it('refuses while a half message is in it, and leaves the transaction alone when forced', async () => {
      await store.catalog.putTopic(topicOf('half'));
      await store.catalog.putTopic(topicOf('quoted'));
      await prepare('half-transaction', 'shop', 'half');
      await expect(store.catalog.deleteTopic('half', false)).rejects.toMatchObject(notEmpty);
      // Only the tag of that half message is called so.
      expect(await store.catalog.deleteTopic('quoted', false)).toBe(true);
      expect(await store.catalog.deleteTopic('half', true)).toBe(true);
      expect((await store.lanes.readMessages(['half-transaction-message'])).size).toBe(1);
    });

    sqlTest(kind)('finishes what a crash left when the name is used again', async () => {
      await store.catalog.putTopic(topicOf('crashed'));
      await send(messageOf('crashed-1', 'crashed'), messageOf('crashed-2', 'crashed'));
      await opened.database.transaction((session) =>
        session.finish(
          { sql: "INSERT INTO halfbox_removed_topic (name, removed_at) VALUES ('crashed', 1)" },
          { sql: "DELETE FROM halfbox_topic WHERE name = 'crashed'" },
          { sql: "DELETE FROM halfbox_shard WHERE topic = 'crashed'" },
        ),
      );
      expect(await store.catalog.getTopic('crashed')).toBeNull();
      await store.catalog.ensureTopic(topicOf('crashed', { shards: 1 }));
      expect(await store.lanes.readLog('crashed', 0, 0, 10)).toEqual([]);
      expect(await store.lanes.readMessages(['crashed-1', 'crashed-2'])).toEqual(new Map());
    });

    it('deletes no message that is sent elsewhere under an id of the topic as soon as that is free', async () => {
      await store.catalog.putTopic(topicOf('long', { shards: 1 }));
      await store.catalog.putTopic(topicOf('elsewhere', { shards: 1 }));
      for (let index = 0; index < 300; index += 1) await send(messageOf(`long-${index}`, 'long'));
      const removing = store.catalog.deleteTopic('long', true);
      const again = messageOf('long-299', 'elsewhere');
      for (let tries = 0; (await send(again)).problem && tries < 1_000; tries += 1);
      expect(await removing).toBe(true);
      expect(await send(again)).toMatchObject({ value: { repeated: true } });
      expect((await store.lanes.readMessages(['long-299'])).size).toBe(1);
    });

    /** Resolves when a removal waits for the log's lock; on SQLite every transaction waits for the one before it. */
    const removalWaits = async (): Promise<void> => {
      if (kind === 'sqlite') return;
      const [named] = await opened.database.read({ sql: 'SELECT DATABASE() AS name' });
      const log = `\`${named!.rows[0]!['name']}\`.\`halfbox_shard_log\``;
      await until('the removal waits', async () => {
        const [result] = await opened.database.read({ sql: 'SHOW ENGINE INNODB STATUS' });
        const transactions = String(result!.rows[0]!['Status']).split('---TRANSACTION');
        return transactions.some((told) => told.includes('LOCK WAIT') && told.includes(log));
      });
    };

    sqlTest(kind)('deletes no message that took the id of one that retention was deleting', async () => {
      await store.catalog.putTopic(topicOf('swept', { shards: 1 }));
      await store.catalog.putTopic(topicOf('resent', { shards: 1 }));
      await send(messageOf('swept-1', 'swept'));
      let removing: Promise<boolean> | undefined;
      await opened.database.transaction(async (session) => {
        // As `sweepChunks` does it, and the id is sent again before the removal goes on.
        await session.run({
          sql: `SELECT refs FROM halfbox_shard_log WHERE topic = 'swept'${opened.database.dialect.forUpdate}`,
        });
        removing ??= store.catalog.deleteTopic('swept', true);
        await removalWaits();
        await session.run(
          { sql: "DELETE FROM halfbox_shard_log WHERE topic = 'swept'" },
          { sql: "UPDATE halfbox_message SET topic = 'resent' WHERE id = 'swept-1'" },
        );
      });
      expect(await removing).toBe(true);
      expect((await store.lanes.readMessages(['swept-1'])).size).toBe(1);
    });

    it('loses nothing to appends at the same time', async () => {
      for (let round = 0; round < 5; round += 1) {
        await store.catalog.putTopic(topicOf('raced'));
        const sends = Array.from({ length: 8 }, (_, index) => send(messageOf(`raced-${round}-${index}`, 'raced')));
        const [deleted, ...outcomes] = await Promise.all([store.catalog.deleteTopic('raced', false), ...sends]);
        expect(deleted).toBe(true);
        for (const outcome of outcomes) {
          if (outcome.problem) expect(outcome.problem.slug).toMatch(/^(topic-not-found|unavailable)$/);
        }
        const ids = Array.from({ length: 8 }, (_, index) => `raced-${round}-${index}`);
        expect(await store.lanes.readMessages(ids)).toEqual(new Map());
      }
    });
  });

  describe('producers', () => {
    it('makes a secret once and keeps it', async () => {
      const shop = producerOf('shop', { checkBack: { type: 'http', url: 'http://shop/check' }, checkMax: 3 });
      expect(await store.catalog.putProducer(producerOf('shop'), undefined)).toBeNull();
      expect(await store.catalog.putProducer(shop, 'whsec_first')).toEqual({ current: 'whsec_first' });
      const changed = { ...shop, checkIntervalMs: 200, createdAt: 1 };
      expect(await store.catalog.putProducer(changed, 'whsec_second')).toEqual({ current: 'whsec_first' });
      expect(await store.catalog.getProducer('shop')).toEqual({
        producer: { ...changed, createdAt: shop.createdAt },
        secrets: { current: 'whsec_first' },
      });
      expect(await store.catalog.getProducer('Shop')).toBeNull();
    });

    it('rotates a secret and lets the old one sign on', async () => {
      expect(await store.catalog.rotateProducerSecret('shop', 'whsec_new', 99)).toEqual({
        current: 'whsec_new',
        previous: 'whsec_first',
        previousUntil: 99,
      });
      expect(await store.catalog.rotateProducerSecret('nobody', 'whsec_new', 99)).toBeNull();
    });

    it('makes one secret for puts at once', async () => {
      const asked = Array.from({ length: 12 }, (_, index) =>
        (index % 2 === 0 ? store : other).catalog.putProducer(producerOf('at-once'), `whsec_${index}`),
      );
      const secrets = new Set((await Promise.all(asked)).map((answer) => answer!.current));
      expect(secrets.size).toBe(1);
    });

    it('ensures one once, and changes nothing of it', async () => {
      const asked = Array.from({ length: 12 }, (_, index) =>
        (index % 2 === 0 ? store : other).catalog.ensureProducer(producerOf('ensured', { checkMax: index + 1 })),
      );
      const answers = await Promise.all(asked);
      expect(new Set(answers.map((answer) => answer.checkMax)).size).toBe(1);
      expect(await store.catalog.ensureProducer(producerOf('shop'))).toMatchObject({ checkMax: 3 });
    });

    it('lists them in pages', async () => {
      const first = await store.catalog.listProducers(undefined, 2);
      const second = await store.catalog.listProducers(first.next!, 2);
      expect([...first.items, ...second.items].map((producer) => producer.name)).toEqual([
        'at-once',
        'ensured',
        'shop',
      ]);
      expect(second.next).toBeNull();
    });

    it('is not deleted while a transaction is open, unless forced', async () => {
      await store.catalog.putTopic(topicOf('held'));
      await prepare('held-transaction', 'at-once', 'held');
      await expect(store.catalog.deleteProducer('at-once', false)).rejects.toMatchObject({ slug: 'not-empty' });
      expect(await store.catalog.deleteProducer('at-once', true)).toBe(true);
      expect(await store.catalog.deleteProducer('at-once', true)).toBe(false);
      expect(await store.catalog.deleteProducer('ensured', false)).toBe(true);
      expect(await store.catalog.getProducer('ensured')).toBeNull();
    });
  });

  it('keeps an audit trail, oldest first', async () => {
    const entries = [1, 2, 3].map((at) => ({ at, actor: 'Zoë', action: 'topic.delete', target: `t${at}` }));
    for (const entry of entries) await store.catalog.audit(entry);
    await store.catalog.audit({ ...entries[0]!, reason: 'because' });
    const first = await store.catalog.listAudit(undefined, 3);
    expect(first.items).toEqual(entries);
    const second = await store.catalog.listAudit(first.next!, 3);
    expect(second).toEqual({ items: [{ ...entries[0], reason: 'because' }], next: null });
  });
});
