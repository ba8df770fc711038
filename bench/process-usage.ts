import { readFileSync, writeFileSync } from 'node:fs';

function read(pid: number | undefined, file: string): string | undefined {
  try {
    return pid === undefined ? undefined : readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // the process is gone, or this system has no /proc
  }
}

function field(text: string | undefined, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text ?? '')?.[1] ?? Number.NaN);
}

/** CPU seconds (user and system) that a process has used so far; NaN where /proc does not tell. */
export function cpuSeconds(pid: number | undefined): number {
  const stat = read(pid, 'stat');
  if (stat === undefined) return Number.NaN;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Largest resident memory so far, MiB; NaN where /proc does not tell. */
export function peakMiB(pid: number | undefined): number {
  return field(read(pid, 'status'), 'VmHWM') / 1024;
}

/** Resident memory now, MiB; NaN where /proc does not tell. */
export function residentMiB(pid: number | undefined): number {
  return field(read(pid, 'status'), 'VmRSS') / 1024;
}

/** Bytes of files that a process has had written so far; NaN where /proc does not tell. */
export function writtenBytes(pid: number | undefined): number {
  return field(read(pid, 'io'), 'write_bytes');
}

/** Begins the largest resident memory of a process anew, where this user may. */
export function forgetPeak(pid: number | undefined): void {
  try {
    if (pid !== undefined) writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // A server of another user: its peak is the one since its start.
  }
}

/** Processes that it has started, and that run; none where /proc does not tell. */
export function childPids(pid: number): number[] {
  return (read(pid, `task/${pid}/children`) ?? '').split(' ').filter(Boolean).map(Number);
}
