/** Subject selection: drops small connected parts of a saliency map and fills small holes. */

import type { FloatMap } from "./arrays";
import { fitInside, resizeMap } from "./resize";

/** Longest side of the small copy on which parts are found. */
const COPY_PX = 320;
/** Parts with an area below this share of the largest part's area are dropped. */
const MIN_SHARE = 0.05;
/** Pixels are connected through values of at least this share of the threshold. */
const CONNECTED = 0.5;
/** Holes up to this share of the subject's area are filled. */
const HOLE_SHARE = 0.004;
/** How far a filled hole extends into its border, in pixels of the small copy. */
const HOLE_BORDER_PX = 2;

export interface Selected {
  readonly map: FloatMap;
  /** Dropped parts, counting only parts that reach the threshold. */
  readonly numDropped: number;
}

interface Parts {
  /** 0 outside, 1 ... n inside. */
  readonly labels: Int32Array;
  readonly count: number;
}

/** Keeps the connected parts of a map that belong to the subject. */
export function selectSubject(map: FloatMap, threshold: number): Selected {
  const small = resizeMap(map, ...fitInside(map.width, map.height, COPY_PX));
  const { width, height, data } = small;
  const parts = labelParts(data.map((v) => +(v >= CONNECTED * threshold)), width, height);
  const areas = new Float64Array(parts.count + 1);
  data.forEach((value, i) => (areas[parts.labels[i]] += +(value >= threshold)));
  areas[0] = 0;
  const largest = Math.max(...areas);
  if (largest === 0) return { map, numDropped: 0 };
  const kept = Array.from(areas, (area) => area >= Math.max(1, MIN_SHARE * largest));
  const inside = new Uint8Array(parts.labels.map((label) => +kept[label]));
  const area = areas.reduce((sum, value, part) => sum + (kept[part] ? value : 0), 0);
  const holes = smallHoles(small, inside, threshold, area);
  const numDropped = areas.filter((value, part) => value > 0 && !kept[part]).length;
  return { map: masked(map, small, inside, holes), numDropped };
}

/** Labels the connected parts of a mask in reading order, with 8 neighbours per pixel. */
function labelParts(mask: ArrayLike<number>, width: number, height: number): Parts {
  const labels = new Int32Array(width * height);
  const stack: number[] = [];
  let count = 0;
  for (let start = 0; start < labels.length; start++) {
    if (!mask[start] || labels[start]) continue;
    labels[start] = ++count;
    stack.push(start);
    while (stack.length) {
      const at = stack.pop()!;
      const x = at % width;
      const y = (at - x) / width;
      for (let ny = Math.max(y - 1, 0); ny <= Math.min(y + 1, height - 1); ny++) {
        for (let nx = Math.max(x - 1, 0); nx <= Math.min(x + 1, width - 1); nx++) {
          const next = ny * width + nx;
          if (mask[next] && !labels[next]) {
            labels[next] = count;
            stack.push(next);
          }
        }
      }
    }
  }
  return { labels, count };
}

/** Returns the mask of the subject's small holes, extended into their borders. */
function smallHoles(
  map: FloatMap,
  inside: Uint8Array,
  threshold: number,
  area: number,
): Uint8Array {
  const { width, height } = map;
  const outside = inside.map((value, i) => +!(value && map.data[i] >= threshold));
  const parts = labelParts(outside, width, height);
  const sizes = new Int32Array(parts.count + 1);
  for (const label of parts.labels) sizes[label]++;
  const fills = Array.from(sizes, (size) => size <= HOLE_SHARE * area);
  fills[0] = false;
  for (let x = 0; x < width; x++) {
    fills[parts.labels[x]] = fills[parts.labels[(height - 1) * width + x]] = false;
  }
  for (let y = 0; y < height; y++) {
    fills[parts.labels[y * width]] = fills[parts.labels[(y + 1) * width - 1]] = false;
  }
  let holes: Uint8Array = new Uint8Array(parts.labels.map((label) => +fills[label]));
  for (let i = 0; i < HOLE_BORDER_PX; i++) holes = grow(holes, inside, width, height);
  return holes;
}

/** Grows a mask by one pixel in four directions, only inside the subject. */
function grow(mask: Uint8Array, inside: Uint8Array, width: number, height: number): Uint8Array {
  return mask.map((value, at) => {
    const x = at % width;
    const near =
      (at >= width && mask[at - width]) ||
      (at < (height - 1) * width && mask[at + width]) ||
      (x > 0 && mask[at - 1]) ||
      (x < width - 1 && mask[at + 1]);
    return value || (near && inside[at]) ? 1 : 0;
  });
}

/** Returns the map with 1 in the holes and 0 outside; the masks are enlarged by nearest neighbour. */
function masked(
  map: FloatMap,
  small: FloatMap,
  inside: Uint8Array,
  holes: Uint8Array,
): FloatMap {
  const { width, height } = map;
  const data = new Float32Array(width * height);
  const columns = Int32Array.from({ length: width }, (_, x) => Math.floor((x * small.width) / width));
  for (let y = 0, at = 0; y < height; y++) {
    const row = Math.floor((y * small.height) / height) * small.width;
    for (let x = 0; x < width; x++, at++) {
      const from = row + columns[x];
      data[at] = holes[from] ? 1 : inside[from] ? map.data[at] : 0;
    }
  }
  return { width, height, data };
}
