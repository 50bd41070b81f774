/** Strokes one pixel wide as polylines. */

import type { Mask } from "./skeleton";

/** x, y, x, y, ... in pixels. */
export type Polyline = number[];

/**
 * Follows the strokes of a skeleton as straight as possible, from open ends first.
 *
 * Every pixel is the inside of one polyline; where a stroke branches off another or closes a loop,
 * it also has the pixel that it touches.
 */
export function trace(mask: Mask): Polyline[] {
  const strokes = new Strokes(mask);
  const lines: Polyline[] = [];
  for (const endsOnly of [true, false]) {
    mask.data.forEach((value, at) => {
      if (!value || (endsOnly && !strokes.isEnd(at))) return;
      const pixels = strokes.take(at);
      if (pixels.length) lines.push(pixels.flatMap((p) => centre(p, mask.width)));
    });
  }
  return lines;
}

function centre(at: number, width: number): [number, number] {
  return [(at % width) + 0.5, Math.floor(at / width) + 0.5];
}

/** The pixels of a skeleton, of which strokes are taken one by one. */
class Strokes {
  private readonly left: Uint8Array;
  private readonly steps: number[];

  constructor(private readonly mask: Mask) {
    const { width } = mask;
    this.left = mask.data.slice();
    this.steps = [-1, 1, -width, width, -width - 1, -width + 1, width - 1, width + 1];
  }

  isEnd(at: number): boolean {
    return this.steps.filter((step) => this.mask.data[at + step]).length === 1;
  }

  /** Takes the stroke through a pixel, in both directions; empty if the pixel is taken. */
  take(at: number): number[] {
    if (!this.left[at]) return [];
    this.left[at] = 0;
    const pixels = this.walk([at]).reverse();
    this.touch(this.walk(pixels));
    return this.touch(pixels.reverse());
  }

  /** Appends untaken neighbours, the straightest first, until there is none. */
  private walk(pixels: number[]): number[] {
    for (;;) {
      const next = this.straightest(pixels);
      if (next === undefined) return pixels;
      this.left[next] = 0;
      pixels.push(next);
    }
  }

  private straightest(pixels: number[]): number | undefined {
    const at = pixels[pixels.length - 1];
    const [x, y] = centre(at, this.mask.width);
    const [fromX, fromY] = centre(pixels[Math.max(pixels.length - 5, 0)], this.mask.width);
    let best: number | undefined;
    let most = -Infinity;
    for (const step of this.steps) {
      if (!this.left[at + step]) continue;
      const [toX, toY] = centre(at + step, this.mask.width);
      const [dx, dy] = [toX - x, toY - y];
      const turn = (dx * (x - fromX) + dy * (y - fromY)) / Math.hypot(dx, dy);
      if (turn > most) [best, most] = [at + step, turn];
    }
    return best;
  }

  /** Appends the pixel of another stroke, or of the stroke's other end, that the last one touches. */
  private touch(pixels: number[]): number[] {
    const at = pixels[pixels.length - 1];
    const near = pixels.slice(-3);
    const touched = this.steps
      .map((step) => at + step)
      .find((to) => this.mask.data[to] && !near.includes(to));
    if (touched !== undefined) pixels.push(touched);
    return pixels;
  }
}
