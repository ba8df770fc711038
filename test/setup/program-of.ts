import { findProgram, thisMachine } from './machine.mjs';

/** A server's program on this machine, installed where that is possible. For suites that kill and restart it. */
export async function programOf({ programs, packages }: { programs: string[]; packages: string[] }): Promise<string> {
  if (findProgram(programs) === null && thisMachine.installsPackages) await thisMachine.install(packages);
  const program = findProgram(programs);
  if (program === null) throw new Error(`this suite needs ${programs.join(' or ')}`);
  return program;
}
