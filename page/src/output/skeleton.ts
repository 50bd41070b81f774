/**
 * Thinning of a mask to strokes one pixel wide.
 *
 * Guo and Hall, "Parallel thinning with two-subiteration algorithms" (CACM 1989), algorithm A1.
 */

export interface Mask {
  readonly width: number;
  readonly height: number;
  /** 1 inside, 0 outside. The outermost rows and columns must be 0. */
  readonly data: Uint8Array;
}

/** Removes border pixels in place until only strokes are left. */
export function skeletonise(mask: Mask): void {
  const { width, data } = mask;
  let inside: number[] = [];
  data.forEach((value, at) => value && inside.push(at));
  for (let changed = true; changed; ) {
    changed = false;
    for (const odd of [true, false]) {
      const removed = inside.filter((at) => isRemovable(data, width, at, odd));
      for (const at of removed) data[at] = 0;
      if (removed.length) {
        changed = true;
        inside = inside.filter((at) => data[at]);
      }
    }
  }
}

function isRemovable(data: Uint8Array, width: number, at: number, odd: boolean): boolean {
  const [n, s] = [data[at - width], data[at + width]];
  const [w, e] = [data[at - 1], data[at + 1]];
  const [nw, ne] = [data[at - width - 1], data[at - width + 1]];
  const [sw, se] = [data[at + width - 1], data[at + width + 1]];
  const crossings =
    (n ? 0 : ne | e) + (e ? 0 : se | s) + (s ? 0 : sw | w) + (w ? 0 : nw | n);
  if (crossings !== 1) return false;
  const pairs = (nw | n) + (ne | e) + (se | s) + (sw | w);
  const otherPairs = (n | ne) + (e | se) + (s | sw) + (w | nw);
  const neighbours = Math.min(pairs, otherPairs);
  if (neighbours < 2 || neighbours > 3) return false;
  return odd ? ((n | ne | (1 - se)) & e) === 0 : ((s | sw | (1 - nw)) & w) === 0;
}
