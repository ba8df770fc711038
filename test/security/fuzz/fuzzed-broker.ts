import { WebSocket } from 'ws';
import { freePort } from '../../setup/private-server.mjs';
import { BrokerProcess } from '../../system/broker-process.js';
import { RawConnection, type RawAnswer } from './connection.js';
import { bytesOf, fuzzKey, type FuzzRequest } from './requests.js';
import { receiptMark } from './valid-values.js';

/** How long the broker may take to answer anything that is asked here; the machine may be busy. */
export const answerMsMax = 30_000;

/** Connections that lie open between requests. */
const idleMax = 64;

/** A real broker process that is sent whatever comes to mind, and looked into. */
export class FuzzedBroker {
  readonly #idle: RawConnection[] = [];
  #receipts: string[] = [];

  private constructor(
    readonly process: BrokerProcess,
    private readonly inspectorPort: number,
  ) {}

  static async start(environment: Record<string, string>): Promise<FuzzedBroker> {
    const inspectorPort = await freePort();
    const broker = await BrokerProcess.start({
      HALFBOX_API_KEYS: `fuzz:${fuzzKey}:produce+consume+admin`,
      HALFBOX_CHECK_TIMEOUT_MS: '200',
      HALFBOX_LOG_LEVEL: 'fatal',
      ...environment,
      NODE_OPTIONS: `--inspect=127.0.0.1:${inspectorPort}`,
    });
    return new FuzzedBroker(broker, inspectorPort);
  }

  get port(): number {
    return Number(new URL(this.process.url).port);
  }

  /** Sends a request and reads its answer. Fails where none comes in time, or more than one. */
  async send(request: FuzzRequest): Promise<RawAnswer> {
    const bytes = bytesOf(this.#withReceipts(request));
    const connection = this.#idle.pop() ?? (await RawConnection.open(this.port));
    try {
      const before = connection.sent.toString('latin1');
      connection.send(bytes);
      let answer = await connection.answer(answerMsMax, request.method === 'HEAD');
      // "Go on sending": the answer comes after it.
      while (answer?.status === 100) answer = await connection.answer(answerMsMax, request.method === 'HEAD');
      if (!answer) throw new Error('the connection ended without an answer');
      if (connection.unread.length > 0) throw new Error(`more than an answer: ${connection.unread.toString('latin1')}`);
      this.#keepReceipts(answer);
      answer.before = before;
      if (/\bclose\b/.test(answer.headers['connection'] ?? '') || answer.status === 101 || connection.over)
        connection.close();
      else if (this.#idle.length < idleMax) this.#idle.push(connection);
      else connection.close();
      return answer;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Bytes on the heap of the process after its garbage was collected. */
  async heapBytes(): Promise<number> {
    const targets = (await (await fetch(`http://127.0.0.1:${this.inspectorPort}/json`)).json()) as {
      webSocketDebuggerUrl: string;
    }[];
    const socket = new WebSocket(targets[0]!.webSocketDebuggerUrl);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    let asked = 0;
    const ask = (method: string) =>
      new Promise<Record<string, number>>((resolve) => {
        const id = (asked += 1);
        socket.on('message', (data: Buffer) => {
          const answer = JSON.parse(data.toString()) as { id?: number; result: Record<string, number> };
          if (answer.id === id) resolve(answer.result);
        });
        socket.send(JSON.stringify({ id, method }));
      });
    // The second one frees what the first one only made free, such as the memory of buffers.
    for (const method of ['HeapProfiler.enable', 'HeapProfiler.collectGarbage', 'HeapProfiler.collectGarbage']) {
      await ask(method);
    }
    const { usedSize = 0, backingStorageSize = 0 } = await ask('Runtime.getHeapUsage');
    socket.close();
    return usedSize + backingStorageSize;
  }

  async stop(): Promise<void> {
    this.closeIdle();
    await this.process.kill();
  }

  /** Ends the connections that lie open. */
  closeIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  /** Receipts that the broker gave, where the request names some. */
  #withReceipts(request: FuzzRequest): FuzzRequest {
    if (request.body === null || this.#receipts.length === 0 || !request.body.includes(receiptMark)) return request;
    const text = request.body.toString('latin1').replaceAll(receiptMark, () => this.#receipts.shift() ?? receiptMark);
    return { ...request, body: Buffer.from(text, 'latin1') };
  }

  #keepReceipts({ headers, body }: RawAnswer): void {
    if (!headers['content-type']?.startsWith('application/json') || !body.includes('"receipt"')) return;
    const found = [...body.toString().matchAll(/"receipt":"([\w~-]+)"/g)].map((match) => match[1]!);
    this.#receipts = [...this.#receipts, ...found].slice(-32);
  }
}
