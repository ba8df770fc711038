import type { SqlValue, Statement } from './database.js';

/** SQLite's bound of parameters in one statement. */
const parametersMax = 32_766;

/** What a row costs beside the values whose length varies, in bytes of statement text. */
const rowOverheadBytes = 256;

/**
 * Gathers rows into as few INSERT statements as the bounds of a statement allow. Columns without a value in any row of a
 * statement are left out of it, and get their default: reading a statement is a quarter of what a server does for it.
 */
export class MultiRowInsert {
  readonly #statements: Statement[] = [];
  readonly #columns: string[];
  #params: SqlValue[] = [];
  #rows = 0;
  #bytes = 0;

  /** @param end what follows the rows, such as a conflict clause */
  constructor(
    private readonly table: string,
    columnNames: string,
    private readonly statementBytesMax: number,
    private readonly end = '',
  ) {
    this.#columns = columnNames.split(',');
  }

  /**
   * Begins a row; its values are to be pushed, in the order of the columns, onto what this answers.
   * @param bytes about how long its long values are
   */
  row(bytes: number): SqlValue[] {
    const full = (this.#rows + 1) * this.#columns.length > parametersMax;
    if (this.#rows > 0 && (full || this.#bytes + bytes + rowOverheadBytes > this.statementBytesMax)) this.#cut();
    this.#rows += 1;
    this.#bytes += bytes + rowOverheadBytes;
    return this.#params;
  }

  /** The statements for every row so far; none without rows. */
  statements(): Statement[] {
    if (this.#rows > 0) this.#cut();
    return this.#statements;
  }

  #cut(): void {
    const { columns, params } = this.#withoutEmptyColumns();
    this.#statements.push({
      sql: `INSERT INTO ${this.table} (${columns.join(',')}) VALUES `,
      params,
      rows: { count: this.#rows, end: this.end },
    });
    this.#params = [];
    this.#rows = 0;
    this.#bytes = 0;
  }

  #withoutEmptyColumns(): { columns: string[]; params: SqlValue[] } {
    const width = this.#columns.length;
    const params = this.#params;
    const used = this.#columns.map((_, column) => {
      for (let at = column; at < params.length; at += width)
        if (params[at] !== undefined && params[at] !== null) return true;
      return false;
    });
    if (!used.includes(false)) return { columns: this.#columns, params };
    return {
      columns: this.#columns.filter((_, column) => used[column]),
      params: params.filter((_, at) => used[at % width]),
    };
  }
}
