/** Edges as vector contours: one path for each stroke along a ridge of the map. */

import type { FloatMap } from "../numerics/arrays";
import { lengthOf, simplify, smooth } from "./simplify";
import { skeletonise, type Mask } from "./skeleton";
import { trace, type Polyline } from "./trace";

/** How far a path may be from the ridge, in pixels. */
const TOLERANCE_PX = 0.4;
const SMOOTHINGS = 4;
/** Shorter strokes are left out, as a share of the longer side. */
const MIN_LENGTH = 1 / 80;

/** Returns an SVG file of a thin edge map: ridges of at least the threshold, as strokes. */
export function svgOf(thin: FloatMap, threshold: number): string {
  const { width, height } = thin;
  const mask = ridges(thin, threshold);
  skeletonise(mask);
  const shortest = MIN_LENGTH * Math.max(width, height);
  const paths = trace(mask)
    .filter((line) => lengthOf(line) >= shortest)
    .map((line) => pathOf(simplify(smooth(line, SMOOTHINGS), TOLERANCE_PX)));
  const stroke = Math.max(Math.max(width, height) / 400, 1).toFixed(1);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}">\n` +
    `<g fill="none" stroke="black" stroke-width="${stroke}" stroke-linecap="round" ` +
    `stroke-linejoin="round">\n${paths.join("\n")}\n</g>\n</svg>\n`
  );
}

/** Returns the pixels of at least the threshold, with a frame of one pixel outside. */
function ridges(thin: FloatMap, threshold: number): Mask {
  const width = thin.width + 2;
  const data = new Uint8Array(width * (thin.height + 2));
  for (let y = 0, from = 0; y < thin.height; y++) {
    const row = (y + 1) * width + 1;
    for (let x = 0; x < thin.width; x++, from++) {
      if (thin.data[from] >= threshold) data[row + x] = 1;
    }
  }
  return { width, height: thin.height + 2, data };
}

/** Returns a path element; the frame of one pixel is taken off the coordinates. */
function pathOf(line: Polyline): string {
  const points: string[] = [];
  for (let i = 0; i < line.length; i += 2) points.push(`${tenths(line[i] - 1)} ${tenths(line[i + 1] - 1)}`);
  return `<path d="M${points.join("L")}"/>`;
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
