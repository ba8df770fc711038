import type { Producer, SigningSecrets } from '../catalog-store.js';
import { textOf, type SqlRow, type Statement } from './database.js';

/** The columns that {@link producerOf} and {@link producerSecretsOf} read. */
export const producerColumns = 'name, config, secrets, created_at';

export function selectProducer(name: string, lock = ''): Statement {
  return { sql: `SELECT ${producerColumns} FROM halfbox_producer WHERE name = ?${lock}`, params: [name] };
}

/** The column `config`: how to ask it, as JSON. */
export function producerConfig({ name: _name, createdAt: _createdAt, ...config }: Producer): string {
  return JSON.stringify(config);
}

export function producerOf(row: SqlRow): Producer {
  const config = JSON.parse(textOf(row['config'])) as Omit<Producer, 'name' | 'createdAt'>;
  return { ...config, name: textOf(row['name']), createdAt: Number(row['created_at']) };
}

export function producerSecretsOf(row: SqlRow): SigningSecrets | null {
  return row['secrets'] === null ? null : (JSON.parse(textOf(row['secrets'])) as SigningSecrets);
}
