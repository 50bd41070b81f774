/** Smoothing of polylines, and simplification by Douglas and Peucker (1973), without recursion. */

import type { Polyline } from "./trace";

/** Takes the stairs of pixels off a line: means of three points, weighted 1 2 1; its ends stay. */
export function smooth(line: Polyline, passes: number): Polyline {
  let smoothed = line;
  for (let pass = 0; pass < passes; pass++) {
    const before = smoothed;
    smoothed = before.map((value, i) =>
      i < 2 || i >= before.length - 2 ? value : (before[i - 2] + 2 * value + before[i + 2]) / 4,
    );
  }
  return smoothed;
}

/** Removes points that are at most `tolerance` pixels away from the line without them. */
export function simplify(line: Polyline, tolerance: number): Polyline {
  const last = line.length / 2 - 1;
  const kept = new Set([0, last]);
  const open: [number, number][] = [[0, last]];
  while (open.length) {
    const [from, to] = open.pop()!;
    const { at, distance } = farthest(line, from, to);
    if (distance <= tolerance) continue;
    kept.add(at);
    open.push([from, at], [at, to]);
  }
  return [...kept].sort((a, b) => a - b).flatMap((i) => [line[2 * i], line[2 * i + 1]]);
}

function farthest(line: Polyline, from: number, to: number): { at: number; distance: number } {
  const [x, y] = [line[2 * from], line[2 * from + 1]];
  const [dx, dy] = [line[2 * to] - x, line[2 * to + 1] - y];
  const length = Math.hypot(dx, dy);
  let [at, distance] = [from, 0];
  for (let i = from + 1; i < to; i++) {
    const [px, py] = [line[2 * i] - x, line[2 * i + 1] - y];
    const away = length ? Math.abs(px * dy - py * dx) / length : Math.hypot(px, py);
    if (away > distance) [at, distance] = [i, away];
  }
  return { at, distance };
}

/** Returns the length of a polyline in pixels. */
export function lengthOf(line: Polyline): number {
  let length = 0;
  for (let i = 2; i < line.length; i += 2) {
    length += Math.hypot(line[i] - line[i - 2], line[i + 1] - line[i - 1]);
  }
  return length;
}
