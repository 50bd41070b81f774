/**
 * Decides the unsure pixels of a saliency map by the colours of its picture.
 *
 * Colour histograms inside and outside say which of the two a colour belongs to (Rother et al.,
 * "GrabCut", SIGGRAPH 2004). Then a random walk spreads sure values across pixels of similar
 * colours, with the map as its prior (Grady, CVPR 2005, equation 10). featheredge.random_walk in
 * Python has the reasons for the numbers.
 */

import type { FloatMap, Pixels } from "./arrays";
import { fitInside, resizeMap, resizePixels } from "./resize";

/** Longest side of the small copy. */
const COPY_PX = 192;
const MAX_LOG_ODDS = 7;
const COLOUR_WEIGHT = 1.5;
const MAX_COLOUR = 2;
const COLOUR_ROUNDS = 2;
/** Colour bins along each channel, and in all. */
const BINS = 16;
const ALL_BINS = BINS ** 3;
const RARE = 1e-7;
const TIE = 5;
const CONTRAST = 2;
const LEAST_TRUST = 0.01;
const SOLVER_STEPS = 20;
const SOLVED = 1e-9;

/** How strongly each pixel is tied to its right neighbour and to the one below; 0 at the border. */
interface Grid {
  readonly width: number;
  readonly right: Float64Array;
  readonly below: Float64Array;
}

/** Returns a small map whose unsure pixels, those near the threshold, are decided. */
export function settle(map: FloatMap, image: Pixels, threshold: number): FloatMap {
  const [width, height] = fitInside(image.width, image.height, COPY_PX);
  const small = resizePixels(image, width, height);
  const centre = logOdds(threshold);
  const coarse = new Float64Array(resizeMap(map, width, height).data);
  const odds = coarse.map((p) => logOdds(p) - centre);
  const trust = odds.map((value) => (2 * probability(value) - 1) ** 4 + LEAST_TRUST);
  const settled = walk(tied(small), trust, withColours(small, odds));
  const data = new Float32Array(settled.map((p) => probability(logOdds(p) + centre)));
  return { width, height, data };
}

/** Returns probabilities from log odds and the evidence of the picture's colours. */
function withColours(image: Pixels, odds: Float64Array): Float64Array {
  let inside = odds.map(probability);
  for (let round = 0; round < COLOUR_ROUNDS; round++) {
    const object = histogram(image, inside);
    const behind = histogram(
      image,
      inside.map((p) => 1 - p),
    );
    const evidence = object.map((share, bin) => {
      const ratio = COLOUR_WEIGHT * Math.log(share / behind[bin]);
      return Math.min(Math.max(ratio, -MAX_COLOUR), MAX_COLOUR);
    });
    inside = odds.map((value, i) => probability(value + lookUp(evidence, image.data, 3 * i)));
  }
  return inside;
}

/** Returns the share of the weights in each bin, smoothed and nowhere 0. */
function histogram(image: Pixels, weights: Float64Array): Float64Array {
  let counts = new Float64Array(ALL_BINS);
  for (let i = 0, at = 0; i < weights.length; i++, at += 3) {
    const [r, g, b] = [image.data[at] >> 4, image.data[at + 1] >> 4, image.data[at + 2] >> 4];
    counts[(r * BINS + g) * BINS + b] += weights[i];
  }
  for (const step of [BINS * BINS, BINS, 1]) {
    counts = counts.map((count, bin) => {
      const at = Math.floor(bin / step) % BINS;
      const before = at > 0 ? counts[bin - step] : count;
      const after = at < BINS - 1 ? counts[bin + step] : count;
      return (before + 2 * count + after) / 4;
    });
  }
  const total = Math.max(sum(counts, (count) => count), 1);
  return counts.map((count) => count / total + RARE);
}

/** Looks a colour up between the eight bins around it. */
function lookUp(table: Float64Array, bytes: Uint8Array, at: number): number {
  let first = 0;
  const upper = [0, 0, 0];
  for (let channel = 0; channel < 3; channel++) {
    const position = Math.min(Math.max((bytes[at + channel] - 7.5) / 16, 0), BINS - 1);
    const low = Math.min(Math.floor(position), BINS - 2);
    upper[channel] = position - low;
    first = first * BINS + low;
  }
  let value = 0;
  for (let corner = 0; corner < 8; corner++) {
    const [r, g, b] = [corner >> 2, (corner >> 1) & 1, corner & 1];
    const weight =
      (r ? upper[0] : 1 - upper[0]) * (g ? upper[1] : 1 - upper[1]) * (b ? upper[2] : 1 - upper[2]);
    value += weight * table[first + (r * BINS + g) * BINS + b];
  }
  return value;
}

/** Ties neighbours of similar colour, relative to how colours differ in this picture. */
function tied({ width, height, data }: Pixels): Grid {
  const distance = (i: number, j: number) => {
    let sum = 0;
    for (let c = 0; c < 3; c++) sum += ((data[3 * i + c] - data[3 * j + c]) / 255) ** 2;
    return sum;
  };
  const right = new Float64Array(width * height);
  const below = new Float64Array(width * height);
  for (let i = 0; i < right.length; i++) {
    if ((i + 1) % width) right[i] = distance(i, i + 1);
    if (i + width < right.length) below[i] = distance(i, i + width);
  }
  const pairs = Math.max((width - 1) * height + width * (height - 1), 1);
  const mean = (sum(right, (value) => value) + sum(below, (value) => value)) / pairs;
  const fall = CONTRAST / (2 * mean + 1e-6);
  for (let i = 0; i < right.length; i++) {
    if ((i + 1) % width) right[i] = TIE * Math.exp(-fall * right[i]);
    if (i + width < right.length) below[i] = TIE * Math.exp(-fall * below[i]);
  }
  return { width, right, below };
}

/** Solves (T + L) x = T prior with trust T and Laplacian L, by conjugate gradients. */
function walk(grid: Grid, trust: Float64Array, prior: Float64Array): Float64Array {
  const scale = trust.map((value, i) => {
    const left = i > 0 ? grid.right[i - 1] : 0;
    const above = i >= grid.width ? grid.below[i - grid.width] : 0;
    return 1 / (value + left + above + grid.right[i] + grid.below[i]);
  });
  const values = prior.slice();
  const residual = laplacian(grid, prior).map((value) => -value);
  const direction = new Float64Array(values.length);
  let before = Infinity;
  for (let step = 0; step < SOLVER_STEPS; step++) {
    const length = sum(residual, (value, i) => value * value * scale[i]);
    if (length < SOLVED) break;
    for (let i = 0; i < direction.length; i++) {
      direction[i] = scale[i] * residual[i] + (length / before) * direction[i];
    }
    const change = laplacian(grid, direction);
    for (let i = 0; i < change.length; i++) change[i] += trust[i] * direction[i];
    const size = length / sum(direction, (value, i) => value * change[i]);
    for (let i = 0; i < values.length; i++) {
      values[i] += size * direction[i];
      residual[i] -= size * change[i];
    }
    before = length;
  }
  return values.map((value) => Math.min(Math.max(value, 0), 1));
}

/** Returns the sums of the ties to all neighbours times the differences from them. */
function laplacian({ width, right, below }: Grid, values: Float64Array): Float64Array {
  const flow = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    if (right[i]) {
      const across = right[i] * (values[i + 1] - values[i]);
      flow[i + 1] += across;
      flow[i] -= across;
    }
    if (below[i]) {
      const down = below[i] * (values[i + width] - values[i]);
      flow[i + width] += down;
      flow[i] -= down;
    }
  }
  return flow;
}

function sum(values: Float64Array, of: (value: number, i: number) => number): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += of(values[i], i);
  return total;
}

function logOdds(p: number): number {
  return Math.min(Math.max(Math.log(p) - Math.log1p(-p), -MAX_LOG_ODDS), MAX_LOG_ODDS);
}

function probability(odds: number): number {
  return 1 / (1 + Math.exp(-odds));
}
