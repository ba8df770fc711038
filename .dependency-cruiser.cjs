/** The import arrows. Folders follow a message's life; ARCHITECTURE.md says what each one owns. */

const compositionRoot = '^src/(server/|main\\.ts$|index\\.ts$)';
const storeAdapters = '^src/store/(mysql/|sqlite/|open-store\\.ts$|run-migrations\\.ts$)';
const engineAdapters = '^src/queue/(bull|memory)/';
const storePorts = '^src/store/(?!open-store|run-migrations)[^/]+\\.ts$';

/** A package that only some of the files may import. */
const onlyIn = (name, importers, packages) => ({
  name,
  severity: 'error',
  from: { path: '^(src|migrations)/', pathNot: importers },
  to: { path: `(^|/)node_modules/(${packages})/` },
});

module.exports = {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-dependency',
      severity: 'error',
      from: { path: '^(src|migrations)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'message-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^src/message/' },
      to: { path: '^(src|migrations)/', pathNot: '^src/message/' },
    },
    {
      name: 'store-ports-import-only-message',
      severity: 'error',
      from: { path: storePorts },
      to: { path: '^(src|migrations)/', pathNot: ['^src/message/', storePorts] },
    },
    {
      name: 'sql-verbs-import-only-message-and-ports',
      severity: 'error',
      from: { path: '^src/store/sql/' },
      to: { path: '^(src|migrations)/', pathNot: ['^src/message/', '^src/store/sql/', storePorts] },
    },
    {
      name: 'only-the-root-imports-store-adapters',
      severity: 'error',
      from: { path: '^src/', pathNot: [compositionRoot, storeAdapters] },
      to: { path: storeAdapters },
    },
    {
      name: 'only-the-root-imports-engine-adapters',
      severity: 'error',
      from: { path: '^src/', pathNot: [compositionRoot, engineAdapters] },
      to: { path: engineAdapters },
    },
    {
      name: 'engine-adapters-are-apart',
      severity: 'error',
      from: { path: '^src/queue/(bull|memory)/' },
      to: { path: engineAdapters, pathNot: '^src/queue/$1/' },
    },
    {
      name: 'core-does-not-know-the-edge',
      severity: 'error',
      from: { path: '^src/(callback|check|config|deliver|half|metrics|queue|relay|retention|runtime|store)/' },
      to: { path: '^src/(api|server)/' },
    },
    {
      name: 'api-does-not-know-the-root',
      severity: 'error',
      from: { path: '^src/api/' },
      to: { path: '^src/server/' },
    },
    {
      name: 'http-workers-know-no-stage',
      severity: 'error',
      from: { path: '^src/http-worker/' },
      to: { path: '^src/', pathNot: '^src/(http-worker|api|config|message|runtime)/' },
    },
    onlyIn('prom-client-in-metrics', '^src/metrics/', 'prom-client'),
    onlyIn('bull-in-its-engine', '^src/(queue/bull|client/consume)/', 'bull'),
    onlyIn('typeorm-in-the-store', '^(src/(store|client/(local|application)|nest)|migrations)/', 'typeorm'),
    onlyIn('microservices-at-the-edge', '^src/(server/microservices|nest|testing)/', '@nestjs/microservices|rxjs'),
    onlyIn('nest-at-the-edge', '^src/(api|server|nest|testing|main\\.ts$|index\\.ts$)', '@nestjs|nestjs-[a-z]+'),
    {
      name: 'the-client-needs-no-broker',
      severity: 'error',
      from: { path: '^src/client/' },
      to: { path: '^src/', pathNot: ['^src/client/', '^src/message/', '^src/runtime/', '^src/api/schemas/'] },
    },
    {
      name: 'the-broker-does-not-know-its-clients',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/(client|nest|testing)/', compositionRoot] },
      to: { path: '^src/(client|nest|testing)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
