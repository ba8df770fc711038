import { Command, InvalidArgumentError } from 'commander';

export interface Options {
  /** Undefined: the scenarios of the targets. */
  only?: string[];
  all: boolean;
  seconds: number;
  warmUp: number;
  runs: number;
  scale: number;
  rate: number;
  peers: boolean | string;
  json: string;
  compare?: string;
  list: boolean;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number above 0');
  return value;
}

function whole(text: string): number {
  const value = positive(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('expected a whole number');
  return value;
}

export function readOptions(): Options {
  return new Command('bench')
    .description('Measures Halfbox on this machine. Without --only and --all: what the table of targets needs.')
    .option(
      '--only <text...>',
      'only scenarios whose id contains one of these; `targets` stands for those of the table',
    )
    .option('--all', 'every scenario', false)
    .option('--list', 'print the scenarios and measure nothing', false)
    .option('--runs <n>', 'runs of each scenario, of which medians are printed; long ones run once', whole, 2)
    .option('--seconds <n>', 'seconds measured in each run', positive, 8)
    .option('--warm-up <n>', 'seconds of load before that', positive, 3)
    .option('--scale <n>', 'the counts in the titles (100,000 messages, …) times this, for a quick look', positive, 1)
    .option('--rate <n>', 'arrivals a second of open-loop and soak', positive, 2_000)
    .option(
      '--peers [name]',
      'the same work by RocketMQ, DTM and a naive outbox (or one of them), before the scenarios',
    )
    .option('--json <file>', 'where the figures are written, after each step', '.bench/last.json')
    .option('--compare <file>', 'print ratios to the figures of an earlier --json file')
    .parse()
    .opts<Options>();
}
