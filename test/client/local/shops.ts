import type { ApplicationDatabase, ApplicationServer } from './application-database.js';
import { Shop } from './shop.js';

/** Instances of the application on one database; those that a test has opened are closed with it. */
export class Shops {
  readonly #opened: Shop[] = [];

  private constructor(private readonly database: ApplicationDatabase) {}

  static async on({ provide }: ApplicationServer): Promise<Shops> {
    return new Shops(await (await provide()).prepare());
  }

  /** `more` are options of its DataSource. */
  async open(more: object = {}, options: ConstructorParameters<typeof Shop>[1] = {}): Promise<Shop> {
    const made = new Shop(await this.database.open(more), options);
    this.#opened.push(made);
    return made;
  }

  /** Without orders, and without rows of the fence. */
  async openEmpty(): Promise<Shop> {
    const shop = await this.open();
    await shop.dataSource.query('DELETE FROM shop_order');
    await shop.dataSource.query('DELETE FROM halfbox_fence');
    return shop;
  }

  /** Closes what the test has opened. No transaction may be in hand any more. */
  async reset(): Promise<void> {
    for (const { fence, dataSource } of this.#opened.splice(0)) {
      expect(fence.inHand.size).toBe(0);
      await fence.stop();
      await dataSource.destroy();
    }
  }

  async end(): Promise<void> {
    await this.database.close();
  }
}
