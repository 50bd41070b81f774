/**
 * Sharp borders for a coarse map: the fast guided filter, with the picture as the guide.
 *
 * He and Sun, "Fast Guided Filter" (2015, arXiv:1505.00996, algorithm 2): the fit is computed on
 * small copies of map and picture, and only its smooth coefficients are enlarged.
 */

import { roundHalfEven, type Bytes, type FloatMap, type Pixels } from "./arrays";
import { fitInside, resizeMap, resizePixels } from "./resize";

/** Longest side of the small copy. */
export const FIT_PX = 512;
/** Radius of the windows, as a share of the longer side. */
const RADIUS = 1 / 48;
/** Windows whose luminance, in [0, 1], has a variance below this count as flat. */
const EPS = 1e-4;

/** Small copies of pictures, which three steps of a cut-out and each change of a setting need. */
const copies = new WeakMap<Pixels, Pixels>();

/** Moves the borders of a map to edges of its picture. */
export function refine(map: FloatMap, image: Pixels): FloatMap {
  const { width, height } = image;
  const luminance = luminanceOf(image);
  const small = smallCopy(image);
  const radius = Math.max(roundHalfEven(RADIUS * Math.max(small.width, small.height)), 1);
  const coarse = resizeMap(map, small.width, small.height);
  const fitted = fit(coarse, luminanceOf(small), radius);
  const slope = resizeMap(fitted.slope, width, height).data;
  const offset = resizeMap(fitted.offset, width, height).data;
  for (let i = 0; i < slope.length; i++) {
    slope[i] = Math.min(Math.max(luminance.data[i] * slope[i] + offset[i], 0), 1);
  }
  return { width, height, data: slope };
}

/** Returns a copy of a picture with a longer side of at most `FIT_PX`, made at the first call. */
export function smallCopy(image: Pixels): Pixels {
  let copy = copies.get(image);
  if (!copy) {
    copy = resizePixels(image, ...fitInside(image.width, image.height, FIT_PX));
    copies.set(image, copy);
  }
  return copy;
}

/** Computes the mean over a square window around every pixel, clipped to the picture. */
export function boxMean(
  values: Float64Array,
  width: number,
  height: number,
  channels: number,
  radius: number,
): Float64Array {
  const columns = windowMean(values, height, width * channels, width * channels, 1, 1, radius);
  return windowMean(columns, width, channels, channels, height, width * channels, radius);
}

/** Returns luminance with the weights and the rounding of Pillow's `convert("L")`. */
function luminanceOf(image: Pixels): Bytes {
  const data = new Uint8Array(image.width * image.height);
  for (let i = 0, at = 0; i < data.length; i++, at += 3) {
    const [r, g, b] = [image.data[at], image.data[at + 1], image.data[at + 2]];
    data[i] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
  }
  return { width: image.width, height: image.height, data };
}

/**
 * Computes the window mean along one axis, from differences of cumulative sums.
 *
 * Element `i` of line `l` of block `b` is at b * blockStep + i * step + l.
 */
function windowMean(
  values: Float64Array,
  length: number,
  lines: number,
  step: number,
  blocks: number,
  blockStep: number,
  radius: number,
): Float64Array {
  const means = new Float64Array(values.length);
  const sums = new Float64Array((length + 1) * lines);
  for (let block = 0; block < blocks; block++) {
    const base = block * blockStep;
    for (let i = 0; i < length; i++) {
      for (let line = 0; line < lines; line++) {
        sums[(i + 1) * lines + line] = sums[i * lines + line] + values[base + i * step + line];
      }
    }
    for (let i = 0; i < length; i++) {
      const first = Math.max(i - radius, 0);
      const end = Math.min(i + radius + 1, length);
      for (let line = 0; line < lines; line++) {
        const sum = sums[end * lines + line] - sums[first * lines + line];
        means[base + i * step + line] = sum / (end - first);
      }
    }
  }
  return means;
}

/** Fits the map as a linear function of 8-bit luminance around every pixel (equations 3 to 5). */
function fit(map: FloatMap, luminance: Bytes, radius: number): { slope: FloatMap; offset: FloatMap } {
  const { width, height } = map;
  const mean = (values: Float64Array) => boxMean(values, width, height, 1, radius);
  const guide = new Float64Array(luminance.data).map((value) => value / 255);
  const meanGuide = mean(guide);
  const meanMap = mean(new Float64Array(map.data));
  const meanSquare = mean(guide.map((value) => value * value));
  const meanProduct = mean(guide.map((value, i) => value * map.data[i]));
  const slope = meanProduct.map((product, i) => {
    const variance = meanSquare[i] - meanGuide[i] ** 2;
    return (product - meanGuide[i] * meanMap[i]) / (variance + EPS);
  });
  const offset = slope.map((value, i) => meanMap[i] - value * meanGuide[i]);
  const smooth = (values: Float64Array) => ({ width, height, data: new Float32Array(mean(values)) });
  return { slope: smooth(slope.map((value) => value / 255)), offset: smooth(offset) };
}
