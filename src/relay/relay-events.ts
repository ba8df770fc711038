/** Names a subscription in an event. */
export interface OfSubscription {
  topic: string;
  group: string;
}

/** What the relay tells metrics and tests, a batch at a time. */
export interface RelayEvents {
  /** Tries that were given out; `retries` of them were not the first. */
  given: OfSubscription & { count: number; retries: number };
  /** How tries ended. `expired` ones are counted in `retried` or `dead` as well; `released` ones do not count as tries. */
  settled: OfSubscription & { acked: number; retried: number; released: number; dead: number; expired: number };
  /** Outcomes of tries that are no longer the ones given out: ignored. */
  stale: OfSubscription & { count: number };
  /** This node owns the subscription now; `inherited` tries were with consumers of an earlier owner. */
  claimed: OfSubscription & { epoch: number; inherited: number };
  /** This node owns it no longer: given back as planned, or lost to another owner. */
  released: OfSubscription & { planned: boolean };
  /** An ephemeral subscription was idle for too long and is deleted. */
  removed: OfSubscription;
}
