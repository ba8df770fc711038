/** What an application imports to run a broker inside its own process. */
export { completeSettings, type SettingOptions, type Settings } from './config/settings.js';
export { readEnvironment } from './config/read-environment.js';
export { SettingsError } from './config/settings-error.js';
export { startNode, type RunningNode } from './server/node.js';
export { migrate } from './store/open-store.js';
export { StoreStartError } from './store/store-start-error.js';
export { Problem, type FieldProblem, type ProblemSlug } from './message/problem.js';
