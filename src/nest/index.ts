/** The NestJS modules, decorators and strategies. */
export {};
