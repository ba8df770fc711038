import { bounds } from '../message/bounds.js';
import { Problem } from '../message/problem.js';
import { RecentCount } from './recent-count.js';

/** What a request that does not say its length counts as. */
const unknownBytes = 1024 * 1024;
/** What a request counts as at least: a small one costs about as much. */
const smallBytes = 8 * 1024;
/** How fast requests are answered is measured over so many times the wait: a store that stalls for a moment is not slow. */
const measuredWaits = 10;
/** When a refused caller may come again: not sooner, and not later, than this. */
const retryMs = { min: 1_000, max: 10_000 };

export interface AdmissionBounds {
  /** So many requests are taken whatever they will wait. */
  requestsInHandMin: number;
  /** Until the bodies in hand have so many bytes, each counted as 8 KiB at least, more are taken whatever they will wait. */
  requestBytesInHandMin: number;
  /** Beyond both a request that would wait longer is refused. */
  requestWaitMsMax: number;
  /** Bytes of the bodies in hand at most; a request that finds nothing in hand is taken whatever its size. */
  requestBytesInHandMax: number;
}

/** A request that was taken. It is in hand until its answer is ready, or its caller leaves before its body has come. */
export interface Admitted {
  /** Its body was read: from now on the broker works for it, whether or not its caller waits. */
  begin(): void;
  /** Its answer is ready. */
  answered(): void;
  /** Its caller has gone, or has the answer. */
  left(): void;
}

/**
 * Decides by what its headers say whether a request with new work is taken. What is refused is never read, so an overload
 * costs neither the memory nor the time that reading it would take, and what was taken is answered in time.
 *
 * Refused is what would wait longer than `requestWaitMsMax` as fast as requests were answered of late. An idle broker has answered
 * none, so its speed is known only when it has been crowded (beyond both minima) for that long; until then all are taken.
 */
export class Admission {
  /** Nothing else of what it was made from: a worker is told them. */
  readonly limits: Readonly<AdmissionBounds>;
  #requests = 0;
  #bytes = 0;
  /** Since when it is crowded, but for gaps shorter than requestWaitMsMax. */
  #crowdedSince = 0;
  /** When it last ceased to be. */
  #crowdedUntil = -Infinity;
  readonly #answered: RecentCount;

  /**
   * @param now milliseconds of a clock that is never set
   * @param onRefused called for each refusal
   */
  constructor(
    { requestsInHandMin, requestBytesInHandMin, requestWaitMsMax, requestBytesInHandMax }: AdmissionBounds,
    private readonly now: () => number = () => performance.now(),
    private readonly onRefused: () => void = () => {},
  ) {
    this.limits = { requestsInHandMin, requestBytesInHandMin, requestWaitMsMax, requestBytesInHandMax };
    this.#answered = new RecentCount(measuredWaits * requestWaitMsMax);
  }

  /** Requests that were taken and are not answered. */
  get requests(): number {
    return this.#requests;
  }

  /** What their bodies count as. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes a request, or throws `Problem('overloaded')` with the time that what is in hand will about take.
   * @param declaredBytes of its body; absent where only its end will tell
   */
  take(declaredBytes: number | undefined): Admitted {
    const now = this.now();
    const bytes = Math.max(smallBytes, Math.min(declaredBytes ?? unknownBytes, bounds.requestBytesMax));
    const { requestWaitMsMax, requestBytesInHandMax } = this.limits;
    if (this.#requests > 0 && this.#bytes + bytes > requestBytesInHandMax) {
      throw this.#refusal(now, 'the requests in hand have too many bytes');
    }
    const wasCrowded = this.#isCrowded;
    if (wasCrowded && this.#isBehind(now)) {
      throw this.#refusal(now, `this request would wait longer than ${requestWaitMsMax} ms`);
    }
    this.#requests += 1;
    this.#bytes += bytes;
    const isCrowdNew = !wasCrowded && this.#isCrowded && now - this.#crowdedUntil > requestWaitMsMax;
    if (isCrowdNew) this.#crowdedSince = now;
    return this.#admitted(bytes);
  }

  get #isCrowded(): boolean {
    const { requestsInHandMin, requestBytesInHandMin } = this.limits;
    return this.#requests >= requestsInHandMin && this.#bytes >= requestBytesInHandMin;
  }

  #isBehind(now: number): boolean {
    const { requestWaitMsMax } = this.limits;
    return now - this.#crowdedSince >= requestWaitMsMax && this.#expectedMs(now) > requestWaitMsMax;
  }

  /** How long what is in hand, and one more, will take. */
  #expectedMs(now: number): number {
    const answered = this.#answered.at(now);
    if (answered === 0) return Infinity;
    const measuredMs = Math.min(now - this.#crowdedSince, measuredWaits * this.limits.requestWaitMsMax);
    return ((this.#requests + 1) * measuredMs) / answered;
  }

  #refusal(now: number, detail: string): Problem {
    this.onRefused();
    const retryAfterMs = Math.min(retryMs.max, Math.max(retryMs.min, this.#expectedMs(now)));
    return new Problem('overloaded', detail, { retryAfterMs });
  }

  #admitted(bytes: number): Admitted {
    let begun = false;
    let ended = false;
    const end = (now: number): void => {
      const wasCrowded = this.#isCrowded;
      ended = true;
      this.#requests -= 1;
      this.#bytes -= bytes;
      if (wasCrowded && !this.#isCrowded) this.#crowdedUntil = now;
    };
    return {
      begin: () => {
        begun = true;
      },
      answered: () => {
        if (ended) return;
        const now = this.now();
        this.#answered.add(now);
        end(now);
      },
      left: () => {
        if (!ended && !begun) end(this.now());
      },
    };
  }
}
