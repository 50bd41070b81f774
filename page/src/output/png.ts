/**
 * PNG encoder for 8-bit grey, RGB and RGBA.
 *
 * A canvas stores colours multiplied by opacity, so its own PNG loses the colours of transparent
 * pixels, and it writes grey maps as RGBA. The compression is the browser's, which is fast.
 */

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const COLOUR_TYPES = { 1: 0, 3: 2, 4: 6 } as const;
const PAETH = 4;
const ROWS_AT_ONCE = 64;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/** A picture with 1 (grey), 3 (RGB) or 4 (RGBA, not premultiplied) bytes for each pixel. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  readonly data: Uint8Array;
}

export async function encodePng(raster: Raster): Promise<Blob> {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, raster.width);
  header.setUint32(4, raster.height);
  header.setUint8(8, 8); // bits per channel
  header.setUint8(9, COLOUR_TYPES[raster.channels]);
  const compressed = filteredRows(raster).pipeThrough(new CompressionStream("deflate"));
  const pixels = new Uint8Array(await new Response(compressed).arrayBuffer());
  const parts = [
    ...chunk("IHDR", new Uint8Array(header.buffer)),
    ...chunk("IDAT", pixels),
    ...chunk("IEND", new Uint8Array(0)),
  ];
  return new Blob([SIGNATURE, ...parts], { type: "image/png" });
}

/** Streams the rows, each with its filter byte, a few at a time. */
function filteredRows(raster: Raster): ReadableStream<BufferSource> {
  let row = 0;
  return new ReadableStream({
    pull(controller) {
      const end = Math.min(row + ROWS_AT_ONCE, raster.height);
      controller.enqueue(filtered(raster, row, end));
      row = end;
      if (row === raster.height) controller.close();
    },
  });
}

function filtered(raster: Raster, top: number, bottom: number): Uint8Array<ArrayBuffer> {
  const { data, channels } = raster;
  const length = raster.width * channels;
  const out = new Uint8Array((bottom - top) * (length + 1));
  for (let y = top, at = 0; y < bottom; y++) {
    out[at++] = PAETH;
    const row = y * length;
    for (let i = 0; i < length; i++) {
      const left = i >= channels ? data[row + i - channels] : 0;
      const up = y > 0 ? data[row + i - length] : 0;
      const corner = i >= channels && y > 0 ? data[row + i - length - channels] : 0;
      out[at++] = data[row + i] - paeth(left, up, corner);
    }
  }
  return out;
}

/** Returns the neighbour that is nearest to left + up - corner (PNG specification, section 9.4). */
function paeth(left: number, up: number, corner: number): number {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Returns length, type and data, and checksum of a chunk. */
function chunk(type: string, data: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const start = new Uint8Array(8);
  new DataView(start.buffer).setUint32(0, data.length);
  for (let i = 0; i < 4; i++) start[4 + i] = type.charCodeAt(i);
  const end = new Uint8Array(4);
  const crc = crc32(data, crc32(start.subarray(4), 0xffffffff)) ^ 0xffffffff;
  new DataView(end.buffer).setUint32(0, crc);
  return [start, data, end];
}

function crc32(data: Uint8Array, crc: number): number {
  for (const byte of data) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return crc;
}
