import { FrameReader, lengthOf } from '../../src/http-worker/frames.js';

function frame(text: string): Buffer {
  return Buffer.concat([lengthOf(Buffer.from(text)), Buffer.from(text)]);
}

describe('a reader of frames', () => {
  const texts = ['a', 'two words', 'x'.repeat(300), ''];
  const bytes = Buffer.concat(texts.map(frame));

  it('gives the same frames wherever their bytes are cut', () => {
    for (let first = 0; first <= bytes.length; first += 1) {
      for (const second of [first, first + 1, first + 5, bytes.length]) {
        const read: string[] = [];
        const reader = new FrameReader((one) => read.push(one.toString()));
        reader.read(bytes.subarray(0, first));
        reader.read(bytes.subarray(first, second));
        reader.read(bytes.subarray(second));
        expect(read).toEqual(texts);
      }
    }
  });

  it('gives them when they come byte by byte', () => {
    const read: string[] = [];
    const reader = new FrameReader((one) => read.push(one.toString()));
    for (const byte of bytes) reader.read(Buffer.from([byte]));
    expect(read).toEqual(texts);
  });
});
