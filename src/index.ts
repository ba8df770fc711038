/** What an application imports: a broker inside its own process, the NestJS modules, and everything of `halfbox/client`. */
export { completeSettings, type SettingOptions, type Settings } from './config/settings.js';
export { readEnvironment } from './config/read-environment.js';
export { SettingsError } from './config/settings-error.js';
export { startNode, type NodeOptions, type RunningNode } from './server/node.js';
export { migrate } from './store/open-store.js';
export { StoreStartError } from './store/store-start-error.js';
export { Problem, type FieldProblem, type ProblemSlug } from './message/problem.js';
export * from './nest/index.js';
export * from './client/index.js';
