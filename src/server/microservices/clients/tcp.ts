import { ClientTCP, type ReadPacket, type TcpClientOptions } from '@nestjs/microservices';
import type { TransportClient } from '../transport-client.js';

/** Confirms when the operating system has taken the bytes: the peer may still lose them. */
class WritingTcpClient extends ClientTCP {
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
