/**
 * Inference in overlapping tiles, so that memory depends on the tile size, not the picture size.
 *
 * Each tile discards the outer three sevenths of an overlap, and the middle seventh is blended with
 * linear ramps; `featheredge.tiling` in Python explains why.
 */

import type { FloatMap, Pixels } from "./arrays";

export const TILE_PX = 1344;
const OVERLAP_PX = 448;

/** One tile along one axis: its pixels, and the weights that blend it with its neighbours. */
export interface Span {
  readonly start: number;
  readonly stop: number;
  readonly weights: Float32Array;
}

/** Splits an axis into tiles of equal size, with weights that sum to 1 at every pixel. */
export function spans(length: number, stride: number): Span[] {
  const tile = roundUp(TILE_PX, stride);
  const overlap = roundUp(OVERLAP_PX, stride);
  if (length <= tile) return [{ start: 0, stop: length, weights: new Float32Array(length).fill(1) }];
  const padded = roundUp(length, stride);
  const count = Math.ceil((padded - overlap) / (tile - overlap));
  const size = roundUp(Math.ceil((padded + (count - 1) * overlap) / count), stride);
  const starts = Array.from({ length: count }, (_, i) =>
    Math.min(i * (size - overlap), padded - size),
  );
  const ramps = starts.map((_, i) => trapezoid(size, overlap, i > 0, i < count - 1));
  const sums = new Float64Array(padded);
  starts.forEach((start, i) => ramps[i].forEach((weight, at) => (sums[start + at] += weight)));
  return starts.map((start, i) => {
    const stop = Math.min(start + size, length);
    const weights = new Float32Array(stop - start);
    for (let at = 0; at < weights.length; at++) weights[at] = ramps[i][at] / sums[start + at];
    return { start, stop, weights };
  });
}

/** Runs a network on every tile and blends the outputs; `onTile` hears the share that is done. */
export async function runTiled(
  image: Pixels,
  stride: number,
  infer: (tile: Pixels) => Promise<FloatMap>,
  onTile: (share: number) => Promise<void>,
): Promise<FloatMap> {
  const rows = spans(image.height, stride);
  const columns = spans(image.width, stride);
  if (rows.length * columns.length === 1) return infer(image);
  const blended = new Float32Array(image.width * image.height);
  let done = 0;
  for (const row of rows) {
    for (const column of columns) {
      blend(blended, image.width, await infer(cut(image, row, column)), row, column);
      await onTile(++done / (rows.length * columns.length));
    }
  }
  return { width: image.width, height: image.height, data: blended };
}

export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

function cut(image: Pixels, row: Span, column: Span): Pixels {
  const width = column.stop - column.start;
  const height = row.stop - row.start;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const start = ((row.start + y) * image.width + column.start) * 3;
    data.set(image.data.subarray(start, start + width * 3), y * width * 3);
  }
  return { width, height, data };
}

function blend(sum: Float32Array, width: number, tile: FloatMap, row: Span, column: Span): void {
  for (let y = 0; y < tile.height; y++) {
    const at = (row.start + y) * width + column.start;
    for (let x = 0; x < tile.width; x++) {
      sum[at + x] += tile.data[y * tile.width + x] * column.weights[x] * row.weights[y];
    }
  }
}

/** Returns weights: 0 on the discarded part of an overlap, a ramp to 1 on its middle seventh. */
function trapezoid(size: number, overlap: number, rampIn: boolean, rampOut: boolean): Float64Array {
  const discarded = Math.floor((overlap * 3) / 7);
  const length = Math.max(overlap - 2 * discarded, 1);
  const ramp = (position: number) =>
    Math.min(Math.max((position - discarded + 0.5) / length, 0), 1);
  return Float64Array.from({ length: size }, (_, i) =>
    Math.min(rampIn ? ramp(i) : 1, rampOut ? ramp(size - 1 - i) : 1),
  );
}
