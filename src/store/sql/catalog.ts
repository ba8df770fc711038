import type { AuditEntry, CatalogStore, Page, Producer, SigningSecrets, Topic } from '../catalog-store.js';
import { listAudit, writeAudit } from './audit.js';
import type { SqlDatabase } from './database.js';
import { ensureProducer, putProducer } from './put-producer.js';
import { ensureTopic, putTopic } from './put-topic.js';
import { listProducers, readProducer } from './read-producers.js';
import { listTopics, readTopic } from './read-topics.js';
import { removeProducer } from './remove-producer.js';
import { removeTopic } from './remove-topic.js';
import { rotateProducerSecret } from './rotate-producer-secret.js';

/** Topics, producers and the audit trail on any SQL database. */
export class SqlCatalogStore implements CatalogStore {
  constructor(private readonly database: SqlDatabase) {}

  putTopic(topic: Topic): Promise<Topic> {
    return putTopic(this.database, topic);
  }

  ensureTopic(topic: Topic): Promise<Topic> {
    return ensureTopic(this.database, topic);
  }

  getTopic(name: string): Promise<Topic | null> {
    return readTopic(this.database, name);
  }

  listTopics(after: string | undefined, limit: number): Promise<Page<Topic>> {
    return listTopics(this.database, after, limit);
  }

  deleteTopic(name: string, force: boolean): Promise<boolean> {
    return removeTopic(this.database, name, force);
  }

  putProducer(producer: Producer, newSecret: string | undefined): Promise<SigningSecrets | null> {
    return putProducer(this.database, producer, newSecret);
  }

  ensureProducer(producer: Producer): Promise<Producer> {
    return ensureProducer(this.database, producer);
  }

  getProducer(name: string): Promise<{ producer: Producer; secrets: SigningSecrets | null } | null> {
    return readProducer(this.database, name);
  }

  listProducers(after: string | undefined, limit: number): Promise<Page<Producer>> {
    return listProducers(this.database, after, limit);
  }

  deleteProducer(name: string, force: boolean): Promise<boolean> {
    return removeProducer(this.database, name, force);
  }

  rotateProducerSecret(name: string, newSecret: string, previousUntil: number): Promise<SigningSecrets | null> {
    return rotateProducerSecret(this.database, name, newSecret, previousUntil);
  }

  audit(entry: AuditEntry): Promise<void> {
    return writeAudit(this.database, entry);
  }

  listAudit(after: string | undefined, limit: number): Promise<Page<AuditEntry>> {
    return listAudit(this.database, after, limit);
  }
}
