/** A job that runs beside the requests. Tests call `runOnce` with a time of their own instead of `start`. */
export interface BackgroundService {
  start(): void;
  /** Ends after the run in hand, if any. */
  stop(): Promise<void>;
}
