import { allFaults } from './faults/all-faults.js';
import { onMariadbInMemory, onMariadbWithBull, onSqliteInMemory, onSqliteWithBull } from './faults/fault.js';
import { allSteps, applies } from './plan.js';
import type { Row } from './report.js';

const allPlaces = [onSqliteInMemory, onSqliteWithBull, onMariadbInMemory, onMariadbWithBull];

/** All rows of the table: every step and every fault, with the stores and engines where it exists. */
export const allRows: readonly Row[] = [
  ...allSteps.map((name): Row => ({
    name,
    places: allPlaces.filter(({ store, engine }) => applies(name, store, engine)),
  })),
  ...allFaults.map(({ name, places, shippedTimes }): Row => ({
    name,
    places,
    ...(shippedTimes && { note: 'times as shipped' }),
  })),
];
