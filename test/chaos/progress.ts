import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import type { ConsumerEntry, Decision, ProducerEntry } from './facts.js';
import type { Written } from './journal.js';

const decisions: readonly Decision[] = ['local', 'send', 'commit', 'rollback', 'unknown'];
const timesMin = 6;

/** Reads what was added to a journal since the last look. */
class Tail<Entry> {
  #offset = 0;
  #rest = '';

  constructor(private readonly path: string) {}

  next(): Entry[] {
    if (!existsSync(this.path)) return [];
    const file = openSync(this.path, 'r');
    try {
      const buffer = Buffer.alloc(256 * 1024);
      for (let read = 1; read > 0; this.#offset += read) {
        read = readSync(file, buffer, 0, buffer.length, this.#offset);
        this.#rest += buffer.toString('utf8', 0, read);
      }
    } finally {
      closeSync(file);
    }
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop()!;
    return lines.flatMap((line) => {
      try {
        return [JSON.parse(line) as Entry];
      } catch {
        // Cut off by a kill. The audit reads the journal with more care; here one record more or less says nothing.
        return [];
      }
    });
  }
}

/** Follows the journals of a scene while it runs, to see when all kinds of consumers are served again. */
export class Progress {
  readonly #producer: Tail<Written<ProducerEntry>>;
  readonly #consumers: Tail<Written<ConsumerEntry>>[];
  readonly #begun = new Map<Decision, number>();
  #contradictions = 0;
  readonly #intendedAt = new Map<string, number>();
  readonly #got: { group: string; at: number; intendedAt: number }[] = [];

  /** @param groups the subscriptions that must all be served */
  constructor(
    path: (file: string) => string,
    private readonly groups: readonly string[],
  ) {
    this.#producer = new Tail(path('producer.jsonl'));
    this.#consumers = ['consumer.jsonl', 'other-system.jsonl'].map((file) => new Tail(path(file)));
  }

  /** Whether each thing that the workload does has been done so often that nothing is left to chance. */
  get hasDoneAll(): boolean {
    this.#follow();
    const isDone = (decision: Decision): boolean => (this.#begun.get(decision) ?? 0) >= timesMin;
    return decisions.every(isDone) && this.#contradictions >= timesMin;
  }

  /** When every subscription had got a message that was begun after `since`; undefined while one has not. */
  servedAt(since: number): number | undefined {
    this.#follow();
    for (const tail of this.#consumers) {
      for (const entry of tail.next()) {
        const intendedAt = this.#intendedAt.get(entry.id);
        if (entry.kind !== 'got' || intendedAt === undefined) continue;
        this.#got.push({ group: entry.group, at: entry.at, intendedAt });
      }
    }
    let servedAt = 0;
    for (const group of this.groups) {
      const first = this.#got.find((got) => got.group === group && got.intendedAt > since);
      if (!first) return undefined;
      servedAt = Math.max(servedAt, first.at);
    }
    return servedAt;
  }

  #follow(): void {
    for (const entry of this.#producer.next()) {
      if (entry.kind === 'contradicted') this.#contradictions += 1;
      if (entry.kind !== 'intended') continue;
      this.#begun.set(entry.decision, (this.#begun.get(entry.decision) ?? 0) + 1);
      for (const { id } of entry.messages) this.#intendedAt.set(id, entry.at);
    }
  }
}
