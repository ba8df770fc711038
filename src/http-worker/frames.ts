const lengthBytes = 4;

/** What stands before a frame: its length in four bytes, little-endian. */
export function lengthOf(frame: Uint8Array): Buffer {
  const length = Buffer.allocUnsafe(lengthBytes);
  length.writeUInt32LE(frame.length);
  return length;
}

/** Puts frames together again that come in pieces, each after its {@link lengthOf}. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Bytes that must have come before anything can be read. */
  #wanted = lengthBytes;

  /** @param onFrame gets each frame; it shares memory with the pieces that were read */
  constructor(private readonly onFrame: (frame: Buffer) => void) {}

  read(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes < this.#wanted) return;
    const bytes = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces);
    let at = 0;
    for (;;) {
      const unread = bytes.length - at;
      const length = unread < lengthBytes ? 0 : bytes.readUInt32LE(at);
      this.#wanted = lengthBytes + length;
      if (unread < this.#wanted) break;
      this.onFrame(bytes.subarray(at + lengthBytes, at + this.#wanted));
      at += this.#wanted;
    }
    this.#pieces = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#bytes = bytes.length - at;
  }
}
