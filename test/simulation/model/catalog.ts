import { Problem } from '../../../src/message/problem.js';
import type {
  AuditEntry,
  CatalogStore,
  Page,
  Producer,
  SigningSecrets,
  Topic,
} from '../../../src/store/catalog-store.js';
import { requireEmpty } from './subscriptions.js';
import { byText, pageAfter, type Tables } from './tables.js';

/** Topics, producers and the audit trail over maps. */
export class ModelCatalogStore implements CatalogStore {
  constructor(private readonly tables: Tables) {}

  async putTopic(topic: Topic): Promise<Topic> {
    const known = this.tables.topics.get(topic.name);
    if (known === undefined) {
      this.tables.insertTopic({ ...topic });
      return { ...topic };
    }
    if (known.shards !== topic.shards) {
      throw new Problem('already-exists', `the topic ${topic.name} has ${known.shards} shards, which are fixed`);
    }
    const changed = { ...topic, createdAt: known.createdAt };
    this.tables.topics.set(topic.name, changed);
    return { ...changed };
  }

  async ensureTopic(topic: Topic): Promise<Topic> {
    const known = this.tables.topics.get(topic.name);
    return known === undefined ? this.putTopic(topic) : { ...known };
  }

  async getTopic(name: string): Promise<Topic | null> {
    const topic = this.tables.topics.get(name);
    return topic === undefined ? null : { ...topic };
  }

  async listTopics(after: string | undefined, limit: number): Promise<Page<Topic>> {
    const all = [...this.tables.topics.values()].sort((a, b) => byText(a.name, b.name));
    return pageAfter(all, after, limit, ({ name }) => name);
  }

  async deleteTopic(name: string, force: boolean): Promise<boolean> {
    if (!this.tables.topics.has(name)) return false;
    if (!force) this.#requireEmpty(name);
    for (const { subscription } of this.tables.ofTopic(name)) {
      this.tables.subscriptions.delete(`${name}/${subscription.group}`);
      for (const { id } of this.tables.deadOf(name, subscription.group)) this.tables.deadLetters.delete(id);
    }
    for (const { chunks } of this.tables.shards.get(name)!) {
      for (const { refs } of chunks) for (const { id } of refs) this.tables.messages.delete(id);
    }
    for (const [id, { topic }] of this.tables.scheduled) {
      if (topic !== name) continue;
      this.tables.scheduled.delete(id);
      this.tables.messages.delete(id);
    }
    for (const [id, { stored, recalledAt }] of this.tables.messages) {
      const isHeld = stored.transactionId !== undefined && recalledAt === undefined;
      if (stored.topic === name && !isHeld) this.tables.messages.delete(id);
    }
    this.tables.topics.delete(name);
    this.tables.shards.delete(name);
    return true;
  }

  async putProducer(producer: Producer, newSecret: string | undefined): Promise<SigningSecrets | null> {
    const known = this.tables.producers.get(producer.name);
    const secrets = known?.secrets ?? (newSecret === undefined ? null : { current: newSecret });
    const createdAt = known?.producer.createdAt ?? producer.createdAt;
    this.tables.producers.set(producer.name, { producer: { ...producer, createdAt }, secrets });
    return secrets;
  }

  async ensureProducer(producer: Producer): Promise<Producer> {
    const known = this.tables.producers.get(producer.name);
    if (known !== undefined) return { ...known.producer };
    this.tables.producers.set(producer.name, { producer: { ...producer }, secrets: null });
    return producer;
  }

  async getProducer(name: string): Promise<{ producer: Producer; secrets: SigningSecrets | null } | null> {
    const row = this.tables.producers.get(name);
    return row === undefined ? null : { producer: { ...row.producer }, secrets: row.secrets };
  }

  async listProducers(after: string | undefined, limit: number): Promise<Page<Producer>> {
    const all = [...this.tables.producers.values()].map(({ producer }) => producer);
    return pageAfter(
      all.sort((a, b) => byText(a.name, b.name)),
      after,
      limit,
      ({ name }) => name,
    );
  }

  async deleteProducer(name: string, force: boolean): Promise<boolean> {
    if (!this.tables.producers.has(name)) return false;
    const open = [...this.tables.transactions.values()].some(
      ({ producer, state }) => producer === name && (state === 'prepared' || state === 'parked'),
    );
    if (open && !force) throw new Problem('not-empty', `the producer ${name} has open transactions`);
    return this.tables.producers.delete(name);
  }

  async rotateProducerSecret(name: string, newSecret: string, previousUntil: number): Promise<SigningSecrets | null> {
    const row = this.tables.producers.get(name);
    if (row === undefined) return null;
    const previous = row.secrets?.current;
    row.secrets = previous === undefined ? { current: newSecret } : { current: newSecret, previous, previousUntil };
    return row.secrets;
  }

  async audit(entry: AuditEntry): Promise<void> {
    this.tables.audit.push({ ...entry });
  }

  async listAudit(after: string | undefined, limit: number): Promise<Page<AuditEntry>> {
    const from = after === undefined ? 0 : Number(after);
    const items = this.tables.audit.slice(from, from + limit);
    return { items, next: this.tables.audit.length > from + limit ? String(from + limit) : null };
  }

  #requireEmpty(name: string): void {
    const refuse = (what: string): never => {
      throw new Problem('not-empty', `the topic ${name} has ${what}; force deletes it all the same`);
    };
    for (const { state, refs } of this.tables.transactions.values()) {
      const isOpen = state === 'prepared' || state === 'parked';
      if (isOpen && refs.some(({ topic }) => topic === name)) refuse('messages of open transactions');
    }
    for (const { topic } of this.tables.scheduled.values()) if (topic === name) refuse('delayed messages');
    for (const row of this.tables.ofTopic(name)) requireEmpty(this.tables, row);
  }
}
