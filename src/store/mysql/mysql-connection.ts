import type { Socket } from 'node:net';
import type { PoolConnection } from 'mysql2';
import type { SqlResult, SqlRow, Statement } from '../sql/database.js';
import { statementText } from './statement-text.js';

type RawResult = SqlRow[] | { affectedRows: number };

/** The server did not answer in time; whether it ran the statements is not known. */
class AnswerTimeout extends Error {
  readonly code = 'ETIMEDOUT';

  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`);
  }
}

/** One connection of the hot pool, where several statements travel in one packet. */
export class MysqlConnection {
  /**
   * @param packetBytesMax the server's `max_allowed_packet`
   * @param timeoutMs how long the server may take to answer one packet
   */
  constructor(
    private readonly connection: PoolConnection,
    private readonly packetBytesMax: number,
    private readonly timeoutMs: number,
  ) {}

  /**
   * Sends the statements in as few packets as the server takes (nearly always one). They run in order; the first that
   * fails throws mysql2's error and those after it do not run.
   */
  async send(statements: readonly Statement[]): Promise<SqlResult[]> {
    const results: SqlResult[] = [];
    for (const packet of this.packets(statements)) results.push(...(await this.sendPacket(packet)));
    return results;
  }

  /** Gives the connection back to the pool; only when it is in no transaction. */
  release(): void {
    this.connection.release();
  }

  /** Drops the connection at once: a polite end would wait for a server that may never answer. */
  destroy(): void {
    this.connection.destroy();
    (this.connection as unknown as { stream: Socket }).stream.destroy();
  }

  private packets(statements: readonly Statement[]): string[][] {
    // The command byte and a margin; a character takes at most three bytes per UTF-16 unit.
    const bytesMax = this.packetBytesMax - 1_024;
    const packets: string[][] = [];
    let bytes = Infinity;
    for (const statement of statements) {
      const text = statementText(statement);
      const size = text.length * 3 < bytesMax ? text.length * 3 : Buffer.byteLength(text);
      if (bytes + size > bytesMax) {
        packets.push([]);
        bytes = 0;
      }
      packets[packets.length - 1]!.push(text);
      bytes += size + 1;
    }
    return packets;
  }

  private sendPacket(texts: string[]): Promise<SqlResult[]> {
    return new Promise((resolve, reject) => {
      // Not mysql2's own timeout, whose timer outlives a lost connection. The caller destroys the connection after it.
      const timer = setTimeout(() => reject(new AnswerTimeout(this.timeoutMs)), this.timeoutMs);
      this.connection.query(texts.join(';'), (error, raw) => {
        clearTimeout(timer);
        if (error) return reject(error);
        const results = (texts.length === 1 ? [raw] : raw) as RawResult[];
        resolve(results.map(resultOf));
      });
    });
  }
}

function resultOf(raw: RawResult): SqlResult {
  if (Array.isArray(raw)) return { rows: raw, affectedRows: raw.length };
  return { rows: [], affectedRows: raw.affectedRows };
}
