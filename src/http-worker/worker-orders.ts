import type { AdmissionBounds } from '../api/admission.js';
import type { StoredKeyJson } from '../config/api-keys.js';

/** What a worker needs to know before it listens. */
export interface WorkerOptions {
  host: string;
  port: number;
  apiKeys: StoredKeyJson[];
  /** The secret by which nodes know each other, as a key. */
  nodeKey: StoredKeyJson;
  /** Of new work, without a query. */
  newWorkPaths: string[];
  admission: AdmissionBounds;
  /** With `:name` parameters: WebSockets there are the broker's own. */
  streamPath: string;
}

/** What the broker tells a worker. */
export type WorkerOrder = { listen: WorkerOptions } | { close: true };

/** What a worker tells the broker, beside its calls. */
export type WorkerReport =
  /** It hears orders now; those before were lost. */
  | { started: true }
  | { listening: true }
  | { failed: { code?: string | undefined; message: string } }
  /** So many requests more were refused by what their headers say. */
  | { refused: number }
  /** Comes with the connection: what was read from it so far, in base64. */
  | { upgrade: string };
