import { Injectable } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  CheckBack,
  getAnswererToken,
  HalfboxBroker,
  HalfboxClientModule,
  HalfboxModule,
  type Answer,
  type Answerer,
} from '../../../src/index.js';
import { applicationServers, type ApplicationDatabase } from '../../client/local/application-database.js';
import { question } from '../../client/local/shop.js';
import { sqliteServer } from '../../store/databases.js';

type Imports = NonNullable<Parameters<typeof Test.createTestingModule>[0]['imports']>;

@Injectable()
class Named {
  @CheckBack('local')
  resolve(): Answer {
    return 'commit';
  }
}
@Injectable()
class Unnamed {
  @CheckBack()
  resolve(): Answer {
    return 'commit';
  }
}
@Injectable()
class Stranger {
  @CheckBack('nobody')
  resolve(): Answer {
    return 'commit';
  }
}

describe('applications with HalfboxClientModule', () => {
  let place: { url: string; remove(): Promise<void> };
  let database: ApplicationDatabase;
  let application: TestingModule;

  const compile = async (
    imports: Imports,
    providers: Parameters<typeof Test.createTestingModule>[0]['providers'] = [],
  ) => {
    const typeorm = TypeOrmModule.forRoot({ ...database.options(), retryAttempts: 0 });
    const broker = HalfboxModule.forRoot({ storeUrl: place.url, api: false });
    application = await Test.createTestingModule({ imports: [typeorm, broker, ...imports], providers }).compile();
  };
  const local = HalfboxClientModule.forRoot({ embedded: true, producer: 'local' });
  const remote = () =>
    HalfboxClientModule.forRoot({ endpoints: ['http://127.0.0.1:9'], producer: 'remote', dataSource: true });
  const answerOf = (producer: string): Promise<Answer> =>
    application.get<Answerer>(getAnswererToken(producer), { strict: false }).answer(question('tx', 0, 'other'));

  beforeEach(async () => {
    place = await sqliteServer.provide();
    database = await (await applicationServers[0]!.provide()).prepare();
  });
  afterEach(async () => {
    await application.close();
    await database.close();
    await place.remove();
  });

  test('a start that fails in the middle leaves nothing running', async () => {
    await compile([
      HalfboxClientModule.forRoot({ embedded: true, producer: 'shop', dataSource: true }),
      HalfboxClientModule.forFeature([{ producer: 'second', dataSource: 'third' }]),
    ]);
    // As with createApplicationContext(), which answers nothing that could be closed.
    await expect(application.init()).rejects.toThrow('dataSource: third names no DataSource');
    expect(() => application.get(HalfboxBroker, { strict: false }).node).toThrow('not running');
    await expect(answerOf('shop')).rejects.toThrow('was stopped');
  });

  test('a handler in vain does not leave anything running either', async () => {
    await compile([remote()], [Stranger]);
    await expect(application.init()).rejects.toThrow(
      "@CheckBack('nobody') names no producer of this application: remote",
    );
    await expect(answerOf('remote')).rejects.toThrow('was stopped');
  });

  test('the broker inside and one elsewhere: each handler answers for the producer that it names', async () => {
    await compile([local, remote()], [Named]);
    await application.init();
    expect(await answerOf('local')).toBe('commit');
    expect(await answerOf('remote')).toBe('unknown');
  });

  test('of several modules, a handler says whose it is', async () => {
    await compile([local, remote()], [Unnamed]);
    await expect(application.init()).rejects.toThrow('Unnamed.resolve: @CheckBack() must name its producer');
  });
});
