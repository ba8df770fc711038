import type { CheckQuestion } from '../check/producer-asker.js';
import type { InstanceKey } from '../check/stream/open-streams.js';
import type { StreamAnswer } from '../check/stream/stream.js';
import type { OtherNodes } from '../check/stream/stream-asker.js';
import type { Logger } from '../runtime/logger.js';
import { askOverStream } from './endpoints/streams.js';
import type { NodeClient } from './node-client.js';

/** Asks producers over the streams of other nodes. The messages are not sent along: the other node has the same store. */
export class NodeAsker implements OtherNodes {
  /** @param timeoutMs how long the other node waits for the answer */
  constructor(
    private readonly nodes: NodeClient,
    private readonly logger: Logger,
    private readonly timeoutMs: number,
  ) {}

  async ask(
    nodeUrl: string,
    { producer, instance }: InstanceKey,
    { check, askedAt }: CheckQuestion,
    signal: AbortSignal,
  ): Promise<StreamAnswer> {
    const { transactionId, attempt, preparedAt, messageIds } = check;
    const body = {
      instance,
      check: { transactionId, attempt, preparedAt, askedAt, instance: check.instance, messageIds },
      timeoutMs: this.timeoutMs,
    };
    const path = askOverStream.spec.path.replace(':producer', encodeURIComponent(producer));
    try {
      const { status, text } = await this.nodes.post(nodeUrl, path, body, this.timeoutMs, signal);
      if (status === 200) return JSON.parse(text) as StreamAnswer;
      this.logger.debug({ status, node: nodeUrl }, 'a node could not ask over its stream');
    } catch (error) {
      if (signal.aborted) throw error;
      this.logger.debug({ err: error, node: nodeUrl }, 'a node with a stream did not answer');
    }
    return { gone: 'the node that holds the stream does not answer' };
  }
}
