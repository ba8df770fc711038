import { Inject, Injectable, type InjectionToken } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { EndpointsCaller, HalfboxClient, Inbox, Outbox, RedisInbox, type Caller } from '../../client/index.js';
import type { Logger } from '../../runtime/logger.js';
import { HalfboxBroker } from '../broker/halfbox-broker.js';
import { NestLog } from '../broker/nest-log.js';
import { Asking, type Way } from './asking.js';
import { CheckBackExplorer, type CheckBackHandler } from './check-back.js';
import {
  HALFBOX_CLIENT_OPTIONS,
  type HalfboxClientModuleOptions,
  type HalfboxProducerOptions,
} from './client-options.js';
import { getInboxToken, getOutboxToken } from './tokens.js';
import { WiredProducer } from './wired-producer.js';

/** What `HalfboxClientModule` has: one way to the brokers, and the producers of all modules of the application. */
@Injectable()
export class HalfboxClientCore {
  readonly client: HalfboxClient;
  readonly #way: Way;
  readonly #logger: Logger;
  readonly #wired = new Map<string, WiredProducer>();
  readonly #asking: Asking[] = [];
  #broker: HalfboxBroker | undefined;
  #forget: () => void = () => {};
  #closing: Promise<void> | undefined;

  constructor(
    @Inject(HALFBOX_CLIENT_OPTIONS) private readonly options: HalfboxClientModuleOptions,
    protected readonly modules: ModuleRef,
    private readonly explorer: CheckBackExplorer,
    private readonly http: HttpAdapterHost,
  ) {
    this.#logger = options.logger ?? new NestLog('HalfboxClient');
    this.#way = this.#makeWay();
    this.client = new HalfboxClient(this.#way.caller);
    this.producer(options);
  }

  /** The broker of this process; undefined where brokers are elsewhere. */
  get broker(): HalfboxBroker | undefined {
    return this.#way.broker?.();
  }

  /** The one of `forRoot`. */
  get default(): WiredProducer {
    return this.#wired.get(this.options.producer)!;
  }

  /** The producer of that name, made where it is not there yet. @throws TypeError where it is there with other options */
  producer(options: HalfboxProducerOptions): WiredProducer {
    const present = this.#wired.get(options.producer);
    if (present) {
      // Modules that only use it name it.
      if (Object.keys(options).length > 1 && !sameOptions(options, present.options)) {
        throw new TypeError(`producer ${options.producer} is declared twice, with different options`);
      }
      return present;
    }
    const wired = new WiredProducer(options, this.#way.caller, (named) => this.#findDataSource(named), this.#logger);
    this.#wired.set(options.producer, wired);
    return wired;
  }

  /** Finds what the options name: the broker, databases. Throws where something is missing or cannot be used. */
  init(): void {
    if (this.#way.broker) {
      const pending = () => [...this.#wired.values()].flatMap((wired) => wired.pending());
      this.#forget = this.#way.broker().usedBy({ close: () => this.#closeOnce(), pending });
    }
    const outboxes = new Map<DataSource, string>();
    for (const wired of this.#wired.values()) {
      this.#refuseUsersOfNothing(wired);
      wired.open();
      this.#claimOutbox(wired, outboxes);
      const asking = new Asking(wired, this.#way, this.#logger);
      asking.serve(this.http.httpAdapter);
      this.#asking.push(asking);
    }
  }

  /** Lets the brokers ask. */
  async open(): Promise<void> {
    this.#connectHandlers(this.explorer.find());
    await this.#way.broker?.().start();
    for (const wired of this.#wired.values()) await wired.start();
    for (const asking of this.#asking) asking.open();
  }

  /** Finishes what producers have in hand, while check-backs go on being answered, and frees everything. */
  close(): Promise<void> {
    return this.#closeOnce();
  }

  /** Frees everything, the broker of this process too, after a start that failed. */
  async abandon(): Promise<void> {
    try {
      await this.#closeOnce();
      await this.#broker?.stop();
    } catch (error) {
      this.#logger.error({ err: error }, 'a start has failed, and not all of it could be closed');
    }
  }

  /** The broker of this process, for `embedded`. */
  protected findBroker(): HalfboxBroker {
    return this.#find(HalfboxBroker, 'embedded: true needs HalfboxModule (or HalfboxTestingModule)');
  }

  #closeOnce(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const wired = [...this.#wired.values()];
    const { closeTimeoutMs = 10_000 } = this.options;
    await Promise.all(wired.map((each) => each.finish(closeTimeoutMs)));
    await Promise.all(this.#asking.map((asking) => asking.close()));
    await Promise.all(wired.map((each) => each.close()));
    if (!this.#way.broker) await this.#way.caller.close();
    this.#forget();
  }

  #makeWay(): Way {
    const { options } = this;
    if (options.embedded) {
      const caller: Caller = {
        call: (call) => this.#embedded().caller.call(call),
        close: () => this.#embedded().caller.close(),
      };
      return { caller, broker: () => this.#embedded() };
    }
    if (!options.endpoints) throw new TypeError('HalfboxClientModule: give endpoints, or embedded: true');
    const { endpoints, apiKey, connection } = options;
    return { caller: new EndpointsCaller({ ...connection, endpoints, apiKey, logger: this.#logger }) };
  }

  #embedded(): HalfboxBroker {
    this.#broker ??= this.findBroker();
    return this.#broker;
  }

  #findDataSource(named: DataSource | string | true): DataSource {
    if (typeof named === 'object') return named;
    const token = named === true ? DataSource : `${named}DataSource`;
    return this.#find<DataSource>(token, `dataSource: ${String(named)} names no DataSource of @nestjs/typeorm`);
  }

  #find<Found>(token: string | (new (...args: never[]) => Found), missing: string): Found {
    let found: Found | undefined;
    try {
      found = this.modules.get<Found>(token as string, { strict: false });
    } catch (cause) {
      throw new TypeError(`HalfboxClientModule: ${missing}`, { cause });
    }
    if (!found) throw new TypeError(`HalfboxClientModule: ${missing} that is ready now`);
    return found;
  }

  /** NestJS would inject undefined. */
  #refuseUsersOfNothing(wired: WiredProducer): void {
    const { name, outbox, inbox } = wired;
    const isDefault = wired === this.default;
    const absent: [string, InjectionToken[]][] = [];
    if (!outbox) absent.push(['outbox', isDefault ? [getOutboxToken(), Outbox] : []]);
    if (!inbox) absent.push(['inbox', isDefault ? [getInboxToken(), Inbox, RedisInbox] : []]);
    for (const [part, tokens] of absent) {
      const byName = part === 'outbox' ? getOutboxToken(name) : getInboxToken(name);
      const [user] = this.explorer.usersOf([...tokens, byName], HalfboxClientCore);
      if (user === undefined) continue;
      throw new TypeError(`${user} injects the ${part} of producer ${name}, which has none: give the option ${part}`);
    }
    if (!isDefault || !inbox) return;
    const [other, is] = inbox instanceof Inbox ? [RedisInbox, 'Inbox'] : [Inbox, 'RedisInbox'];
    const [user] = this.explorer.usersOf([other], HalfboxClientCore);
    if (user !== undefined) throw new TypeError(`${user}: the inbox of producer ${name} is a ${is}, inject that`);
  }

  /** Rows do not say whose they are. */
  #claimOutbox({ name, options, outbox }: WiredProducer, outboxes: Map<DataSource, string>): void {
    if (!outbox) return;
    const dataSource = this.#findDataSource(options.dataSource!);
    const other = outboxes.get(dataSource);
    if (other !== undefined) throw new TypeError(`producers ${other} and ${name} cannot have outboxes in one database`);
    outboxes.set(dataSource, name);
  }

  #connectHandlers(handlers: CheckBackHandler[]): void {
    const places = new Map<string, string>();
    const cores = this.explorer.instancesOf(HalfboxClientCore);
    for (const { producer: named, place, answerer } of handlers) {
      if (named === undefined && cores.length > 1) {
        throw new TypeError(`${place}: @CheckBack() must name its producer beside several HalfboxClientModules`);
      }
      const producer = named ?? this.options.producer;
      const wired = this.#wired.get(producer);
      if (!wired) {
        if (cores.some((core) => core.#wired.has(producer))) continue;
        const known = cores.flatMap((core) => [...core.#wired.keys()]).join(', ');
        throw new TypeError(`${place}: @CheckBack('${producer}') names no producer of this application: ${known}`);
      }
      const other = places.get(producer);
      if (other !== undefined) throw new TypeError(`${place} and ${other} both answer check-backs of ${producer}`);
      places.set(producer, place);
      wired.answerBy(answerer, place);
    }
  }
}

function sameOptions(some: HalfboxProducerOptions, others: HalfboxProducerOptions): boolean {
  return Object.entries(some).every(([name, value]) => others[name as keyof HalfboxProducerOptions] === value);
}
