import { reached, stepChannel } from '../../src/message/step.js';

/** What is told while a function runs. */
function toldDuring(run: () => void): unknown[] {
  const told: unknown[] = [];
  const listen = (step: unknown) => void told.push(step);
  stepChannel.subscribe(listen);
  try {
    run();
  } finally {
    stepChannel.unsubscribe(listen);
  }
  return told;
}

describe('reached', () => {
  it('tells of a step once, or as often as it was reached at once', () => {
    expect(toldDuring(() => reached('check.claimed'))).toEqual(['check.claimed']);
    expect(toldDuring(() => reached('check.claimed', 3))).toEqual(['check.claimed', 'check.claimed', 'check.claimed']);
    expect(toldDuring(() => reached('check.claimed', 0))).toEqual([]);
  });
});
