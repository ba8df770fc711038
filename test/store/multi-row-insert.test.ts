import { MultiRowInsert } from '../../src/store/sql/multi-row-insert.js';

const rowsOf = (insert: MultiRowInsert, rows: (string | number | null | undefined)[][]) => {
  for (const row of rows) insert.row(0).push(...row);
  return insert.statements();
};

describe('INSERTs of many rows', () => {
  it('name the columns that have a value in some row', () => {
    const [statement, ...others] = rowsOf(new MultiRowInsert('t', 'id,tag,key,at', 10_000), [
      ['a', undefined, null, 1],
      ['b', undefined, 'k', 2],
    ]);
    expect(others).toEqual([]);
    expect(statement).toEqual({
      sql: 'INSERT INTO t (id,key,at) VALUES ',
      params: ['a', null, 1, 'b', 'k', 2],
      rows: { count: 2, end: '' },
    });
  });

  it('are cut at the bound of bytes, each with columns of its own', () => {
    const statements = rowsOf(new MultiRowInsert('t', 'id,tag', 300, ' ON x'), [
      ['a', undefined],
      ['b', 't'],
    ]);
    expect(statements).toEqual([
      { sql: 'INSERT INTO t (id) VALUES ', params: ['a'], rows: { count: 1, end: ' ON x' } },
      { sql: 'INSERT INTO t (id,tag) VALUES ', params: ['b', 't'], rows: { count: 1, end: ' ON x' } },
    ]);
  });
});
