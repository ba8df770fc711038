import type { Socket } from 'node:net';
import { ClientTCP, type ReadPacket, type TcpClientOptions } from '@nestjs/microservices';
import type { TransportClient } from '../transport-client.js';

/** What waits to be written when it is closed has so long; then the connection ends, whether or not the peer takes part. */
const endMsMax = 1_000;

/** Confirms when the operating system has taken the bytes: the peer may still lose them. */
class WritingTcpClient extends ClientTCP {
  override close(): void {
    const socket = this.socket?.netSocket as Socket | undefined;
    super.close();
    if (!socket || socket.destroyed) return;
    const timer = setTimeout(() => socket.destroy(), endMsMax);
    socket.once('close', () => clearTimeout(timer));
    socket.destroySoon();
  }

  protected override dispatchEvent(packet: ReadPacket): Promise<void> {
    const pattern = this.normalizePattern(packet.pattern as string);
    const serialized: unknown = this.serializer.serialize({ ...packet, pattern });
    return new Promise((resolve, reject) => {
      if (this.socket === null) throw new Error('Connection closed');
      this.socket.sendMessage(serialized, (error?: unknown) => {
        if (error) reject(error as Error);
        else resolve();
      });
    });
  }
}

export function openTcp(options: Record<string, unknown>): TransportClient {
  return {
    proxy: new WritingTcpClient(options as TcpClientOptions['options'] & object),
    event: ({ data }) => data,
    question: (question) => question,
  };
}
