/**
 * Bilinear resizing without aliasing, with the numbers of Pillow's `Image.resize`.
 *
 * When shrinking, an output pixel averages all input pixels that it covers. Bytes are computed in
 * fixed point with 22 fractional bits and rounded after each direction, as Pillow does.
 */

import { roundHalfEven, type Bytes, type FloatMap, type Pixels } from "./arrays";

const FRACTION_BITS = 22;

/** The part of the input that is resized, in pixels; fractions are allowed. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** For each output pixel along one axis: its first input pixel and the weights from there on. */
interface Windows {
  readonly firsts: Int32Array;
  readonly counts: Int32Array;
  readonly weights: Float64Array;
  /** Weights stored for each output pixel. */
  readonly stride: number;
}

type Channel = Uint8Array | Float32Array;

export function resizePixels(image: Pixels, width: number, height: number, box?: Box): Pixels {
  return { width, height, data: resample(image, 3, width, height, box) };
}

export function resizeBytes(bytes: Bytes, width: number, height: number): Bytes {
  return { width, height, data: resample(bytes, 1, width, height) };
}

export function resizeMap(map: FloatMap, width: number, height: number): FloatMap {
  return { width, height, data: resample(map, 1, width, height) };
}

/**
 * Enlarges a picture where it is asked for: the result computes one byte of the enlarged picture,
 * given its row and its position in the row.
 */
export function enlarger(
  image: Pixels,
  width: number,
  height: number,
): (y: number, at: number) => number {
  const columns = resizePixels(image, width, image.height).data;
  const { firsts, counts, weights, stride } = windowsOf(image.height, height, 0, image.height, columns);
  const { half, unit } = roundingOf(columns);
  const rowLength = width * 3;
  return (y, at) => {
    let sum = half;
    for (let k = 0; k < counts[y]; k++) {
      sum += columns[(firsts[y] + k) * rowLength + at] * weights[y * stride + k];
    }
    return Math.trunc(sum * unit);
  };
}

/** Resizes bytes with any number of channels. */
export function resizeRaster(
  raster: { width: number; height: number; channels: number; data: Uint8Array },
  width: number,
  height: number,
): Uint8Array {
  return resample(raster, raster.channels, width, height);
}

/** Returns a size with the same aspect ratio and a longer side of at most `longest`. */
export function fitInside(width: number, height: number, longest: number): [number, number] {
  const scale = Math.min(longest / Math.max(width, height), 1);
  return [Math.max(roundHalfEven(width * scale), 1), Math.max(roundHalfEven(height * scale), 1)];
}

function resample<T extends Channel>(
  source: { width: number; height: number; data: T },
  channels: number,
  width: number,
  height: number,
  box: Box = { left: 0, top: 0, right: source.width, bottom: source.height },
): T {
  let data = source.data;
  if (width !== source.width || box.left !== 0 || box.right !== source.width) {
    const windows = windowsOf(source.width, width, box.left, box.right, data);
    data = alongRows(data, source.width, source.height, channels, width, windows);
  }
  if (height !== source.height || box.top !== 0 || box.bottom !== source.height) {
    const windows = windowsOf(source.height, height, box.top, box.bottom, data);
    data = alongColumns(data, width * channels, height, windows);
  }
  return data === source.data ? (data.slice() as T) : data;
}

function windowsOf(
  length: number,
  outLength: number,
  from: number,
  to: number,
  data: Channel,
): Windows {
  const scale = (to - from) / outLength;
  const support = Math.max(scale, 1);
  const stride = Math.ceil(support) * 2 + 1;
  const firsts = new Int32Array(outLength);
  const counts = new Int32Array(outLength);
  const weights = new Float64Array(outLength * stride);
  for (let out = 0; out < outLength; out++) {
    const center = from + (out + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const count = Math.min(Math.trunc(center + support + 0.5), length) - first;
    firsts[out] = first;
    counts[out] = count;
    const row = weights.subarray(out * stride, out * stride + count);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      row[i] = Math.max(1 - Math.abs((first + i - center + 0.5) / support), 0);
      sum += row[i];
    }
    for (let i = 0; i < count; i++) row[i] /= sum;
  }
  if (data instanceof Uint8Array) {
    for (let i = 0; i < weights.length; i++) {
      weights[i] = Math.trunc(weights[i] * (1 << FRACTION_BITS) + 0.5);
    }
  }
  return { firsts, counts, weights, stride };
}

function alongRows<T extends Channel>(
  data: T,
  width: number,
  height: number,
  channels: number,
  outWidth: number,
  windows: Windows,
): T {
  const out = arrayLike(data, outWidth * height * channels);
  const { firsts, counts, weights, stride } = windows;
  const { half, unit } = roundingOf(data);
  for (let y = 0, at = 0; y < height; y++) {
    const row = y * width * channels;
    for (let x = 0; x < outWidth; x++) {
      const start = row + firsts[x] * channels;
      const end = start + counts[x] * channels;
      for (let channel = 0; channel < channels; channel++) {
        let sum = half;
        for (let i = start + channel, k = x * stride; i < end; i += channels, k++) {
          sum += data[i] * weights[k];
        }
        out[at++] = sum * unit;
      }
    }
  }
  return out;
}

function alongColumns<T extends Channel>(
  data: T,
  rowLength: number,
  outHeight: number,
  windows: Windows,
): T {
  const out = arrayLike(data, rowLength * outHeight);
  const { firsts, counts, weights, stride } = windows;
  const { half, unit } = roundingOf(data);
  const sums = new Float64Array(rowLength);
  for (let y = 0; y < outHeight; y++) {
    const top = firsts[y] * rowLength;
    const row = y * rowLength;
    if (counts[y] === 2) {
      // The usual case when enlarging.
      const [above, below] = [weights[y * stride], weights[y * stride + 1]];
      for (let i = 0; i < rowLength; i++) {
        out[row + i] = (half + data[top + i] * above + data[top + rowLength + i] * below) * unit;
      }
      continue;
    }
    sums.fill(half);
    for (let k = 0; k < counts[y]; k++) {
      const weight = weights[y * stride + k];
      const from = top + k * rowLength;
      if (weight !== 0) for (let i = 0; i < rowLength; i++) sums[i] += data[from + i] * weight;
    }
    for (let i = 0; i < rowLength; i++) out[row + i] = sums[i] * unit;
  }
  return out;
}

/** Bytes are sums in units of 2^-22 that are rounded; storing in a Uint8Array drops the rest. */
function roundingOf(data: Channel): { half: number; unit: number } {
  return data instanceof Uint8Array
    ? { half: 1 << (FRACTION_BITS - 1), unit: 2 ** -FRACTION_BITS }
    : { half: 0, unit: 1 };
}

function arrayLike<T extends Channel>(data: T, length: number): T {
  return (data instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length)) as T;
}
