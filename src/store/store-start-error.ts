/** The store cannot be used as it is (wrong URL, in use, too new a schema). The broker does not start; the message says what to change. */
export class StoreStartError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreStartError';
  }
}
