/** Pictures and maps as plain arrays, row by row. */

/** 8-bit RGB: `data` has 3 bytes for each pixel. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** 8-bit, one value for each pixel: luminance, opacity or a quantised map. */
export interface Bytes {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** float32, one value for each pixel, usually in [0, 1]. */
export interface FloatMap {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** Rows of a picture, from `top` up to and without `bottom`. */
export interface Rows {
  readonly top: number;
  readonly bottom: number;
}

const STRIP_PIXELS = 1 << 20;

/** Splits the rows of a picture into strips of about a megapixel, to keep temporaries small. */
export function strips(width: number, height: number): Rows[] {
  const step = Math.max(Math.floor(STRIP_PIXELS / width), 1);
  const found: Rows[] = [];
  for (let top = 0; top < height; top += step) {
    found.push({ top, bottom: Math.min(top + step, height) });
  }
  return found;
}

export function highest(map: FloatMap): number {
  let most = -Infinity;
  for (const value of map.data) if (value > most) most = value;
  return most;
}

/** Rounds halves to the even neighbour, as Python does. */
export function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Converts a map in [0, 1] to 8 bits, round(255 p), without stretching its range. */
export function quantise(map: FloatMap): Bytes {
  const data = new Uint8Array(map.data.length);
  for (let i = 0; i < data.length; i++) data[i] = Math.round(map.data[i] * 255);
  return { width: map.width, height: map.height, data };
}
