/**
 * Non-maximum suppression of edge maps: wide edges become thin ridge lines.
 *
 * The procedure of Dollár and Zitnick, "Fast Edge Detection Using Structured Forests" (PAMI 2015):
 * smooth the map, estimate the edge's normal from second derivatives of a smoother copy, and keep a
 * pixel only if it is not lower than its neighbours along the normal. In float32, in strips of rows,
 * like `featheredge.nms` in Python.
 */

import { strips, type FloatMap } from "./arrays";

const ORIENTATION_RADIUS = 4;
const REACH_PX = 1;
const BORDER_PX = 5;
/** Factor by which a neighbour must be higher to suppress a pixel. */
const MARGIN = Math.fround(1.01);
const TINY = Math.fround(1e-5);
/** Rows outside a strip that its result depends on. */
const HALO = 1 + ORIENTATION_RADIUS + 2 + REACH_PX + 1;

const f32 = Math.fround;

/** Sets all pixels that are not on a ridge to 0; the others keep the value of the smoothed map. */
export function suppress(map: FloatMap): FloatMap {
  const { width, height, data } = map;
  const thin = new Float32Array(width * height);
  for (const { top, bottom } of strips(width, height)) {
    const first = Math.max(0, top - HALO);
    const last = Math.min(height, bottom + HALO);
    const strip = data.subarray(first * width, last * width);
    const kept = suppressStrip(strip, width, first, height);
    thin.set(kept.subarray((top - first) * width, (bottom - first) * width), top * width);
  }
  return fadeBorder({ width, height, data: thin });
}

/** Suppresses one strip; its first row is row `first` of `height` rows. */
function suppressStrip(
  strip: Float32Array,
  width: number,
  first: number,
  height: number,
): Float32Array {
  const rows = strip.length / width;
  const values = convolveTriangle(strip, width, rows, 1);
  const normal = normalAngle(values, width, rows);
  const thin = new Float32Array(values.length);
  for (let y = 0, at = 0; y < rows; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (values[at] === 0) continue;
      const alongX = f32(Math.cos(normal[at]));
      const alongY = f32(Math.sin(normal[at]));
      const raised = f32(values[at] * MARGIN);
      const [down, right] = [REACH_PX * alongY, REACH_PX * alongX];
      if (
        raised >= interpolate(values, width, rows, y + first - down, x - right, first, height) &&
        raised >= interpolate(values, width, rows, y + first + down, x + right, first, height)
      ) {
        thin[at] = values[at];
      }
    }
  }
  return thin;
}

/** Convolves rows and columns with normalised [1 .. radius+1 .. 1]; borders are mirrored. */
function convolveTriangle(
  values: Float32Array,
  width: number,
  rows: number,
  radius: number,
): Float32Array {
  const total = (radius + 1) ** 2;
  const weights = Float32Array.from(
    { length: 2 * radius + 1 },
    (_, i) => (radius + 1 - Math.abs(i - radius)) / total,
  );
  const columns = new Float32Array(values.length);
  for (let y = 0; y < rows; y++) {
    for (let i = 0; i < weights.length; i++) {
      const from = mirrored(y + i - radius, rows) * width;
      for (let x = 0, at = y * width; x < width; x++, at++) {
        columns[at] = columns[at] + f32(weights[i] * values[from + x]);
      }
    }
  }
  const smooth = new Float32Array(values.length);
  const padded = new Float32Array(width + 2 * radius);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < padded.length; x++) {
      padded[x] = columns[y * width + mirrored(x - radius, width)];
    }
    for (let x = 0, at = y * width; x < width; x++, at++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum = f32(sum + f32(weights[i] * padded[x + i]));
      smooth[at] = sum;
    }
  }
  return smooth;
}

/** Reflects a position outside an axis back into it; the border pixel is repeated. */
function mirrored(position: number, length: number): number {
  const period = 2 * length;
  const at = ((position % period) + period) % period;
  return at < length ? at : period - 1 - at;
}

/** Returns central differences, one-sided at the borders; 0 along an axis of one pixel. */
function derivative(
  values: Float32Array,
  width: number,
  rows: number,
  axis: "x" | "y",
): Float32Array {
  const slopes = new Float32Array(values.length);
  const [dx, dy] = axis === "x" ? [1, 0] : [0, 1];
  for (let y = 0, at = 0; y < rows; y++) {
    const [above, below] = [Math.max(y - dy, 0), Math.min(y + dy, rows - 1)];
    for (let x = 0; x < width; x++, at++) {
      const [left, right] = [Math.max(x - dx, 0), Math.min(x + dx, width - 1)];
      const apart = right - left + (below - above);
      if (apart === 0) continue;
      slopes[at] = f32(values[below * width + right] - values[above * width + left]) / apart;
    }
  }
  return slopes;
}

/** Returns the angle of the edge's normal, in radians in [0, pi], from second derivatives. */
function normalAngle(values: Float32Array, width: number, rows: number): Float32Array {
  const smooth = convolveTriangle(values, width, rows, ORIENTATION_RADIUS);
  const dx = derivative(smooth, width, rows, "x");
  const dy = derivative(smooth, width, rows, "y");
  const dxx = derivative(dx, width, rows, "x");
  const dxy = derivative(dx, width, rows, "y");
  const dyy = derivative(dy, width, rows, "y");
  const angles = new Float32Array(values.length);
  for (let i = 0; i < angles.length; i++) {
    const slope = f32(f32(dyy[i] * Math.sign(-dxy[i])) / f32(dxx[i] + TINY));
    const angle = f32(Math.atan(Number.isNaN(slope) ? 0 : slope)); // 0/0 only where it is flat
    angles[i] = angle < 0 ? f32(angle + f32(Math.PI)) : angle;
  }
  return angles;
}

/** Returns a bilinear sample at image coordinates, which are clipped to the image. */
function interpolate(
  values: Float32Array,
  width: number,
  rows: number,
  atY: number,
  atX: number,
  first: number,
  height: number,
): number {
  const y = Math.min(Math.max(f32(atY), 0), f32(Math.max(0, height - 1.001)));
  const x = Math.min(Math.max(f32(atX), 0), f32(Math.max(0, width - 1.001)));
  const row = Math.trunc(y);
  const column = Math.trunc(x);
  const down = f32(y - row);
  const right = f32(x - column);
  // The strip includes its halo; clipping here does not change the rows that are kept.
  const upper = Math.min(Math.max(row - first, 0), rows - 1) * width;
  const lower = Math.min(Math.max(row - first + 1, 0), rows - 1) * width;
  const next = Math.min(column + 1, width - 1);
  const above = mix(values[upper + column], values[upper + next], right);
  const below = mix(values[lower + column], values[lower + next], right);
  return mix(above, below, down);
}

function mix(from: number, to: number, share: number): number {
  return f32(f32(from * f32(1 - share)) + f32(to * share));
}

/** Scales the outer rows and columns by 0/b, 1/b, ... in place. */
function fadeBorder(map: FloatMap): FloatMap {
  const { width, height, data } = map;
  const across = Math.min(BORDER_PX, Math.floor(height / 2));
  const along = Math.min(BORDER_PX, Math.floor(width / 2));
  for (let y = 0, at = 0; y < height; y++) {
    const vertical = fade(Math.min(y, height - 1 - y), across);
    for (let x = 0; x < width; x++, at++) {
      const horizontal = fade(Math.min(x, width - 1 - x), along);
      if (vertical < 1) data[at] = data[at] * vertical;
      if (horizontal < 1) data[at] = data[at] * horizontal;
    }
  }
  return map;
}

function fade(distance: number, border: number): number {
  return distance < border ? f32(distance / border) : 1;
}
