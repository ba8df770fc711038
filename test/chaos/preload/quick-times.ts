import { defaultCheckSettings } from '../../../src/check/check-settings.js';
import { relayDefaults } from '../../../src/relay/relay-settings.js';

// Times that no setting reaches, shortened so that a restarted broker goes on at once and not after 5 s, and a check whose
// broker died is asked again after 2 s and not after 30 s.
Object.assign(relayDefaults, { leaseMs: 1_200, renewMs: 250, spillAfterMs: 100 });
Object.assign(defaultCheckSettings, { pollMs: 50, leaseMs: 2_000, backoffMs: 100, backoffMsMax: 400 });
