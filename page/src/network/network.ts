/** A loaded network that converts pictures to maps, with the pre-processing of `featheredge.Session`. */

import { Tensor, type InferenceSession } from "onnxruntime-web/wasm";
import type { FloatMap, Pixels } from "../numerics/arrays";
import { fitInside, resizeMap, resizePixels } from "../numerics/resize";
import { roundUp, runTiled } from "../numerics/tiling";
import type { Model } from "./models";

/** Hears the share of tiles that are done, and may throw to stop. */
export type OnTile = (share: number) => Promise<void>;

export class Network {
  constructor(
    readonly model: Model,
    private readonly session: InferenceSession,
  ) {}

  /**
   * Returns the map of one picture: at the picture's size, or, of a network with a fixed input, at
   * the size of that input.
   *
   * `longest` is the working size of a network without a fixed input: a larger picture is made
   * smaller for it, and the map is enlarged again. null is the picture's own size.
   */
  async map(image: Pixels, longest: number | null, onTile: OnTile): Promise<FloatMap> {
    const { width, height } = image;
    const side = this.model.input_px;
    if (side) return this.infer(resizePixels(image, side, side));
    const [w, h] = fitInside(width, height, longest ?? Infinity);
    if (w === width && h === height) return this.inferTiled(image, onTile);
    const small = resizePixels(image, w, h);
    return resizeMap(await this.inferTiled(small, onTile), width, height);
  }

  async close(): Promise<void> {
    await this.session.release();
  }

  private async inferTiled(image: Pixels, onTile: OnTile): Promise<FloatMap> {
    return runTiled(image, this.model.stride, (tile) => this.infer(tile), onTile);
  }

  /** Infers one picture or tile, with padding to the stride by reflection. */
  private async infer(image: Pixels): Promise<FloatMap> {
    const { width, height } = image;
    const wide = roundUp(width, this.model.stride);
    const high = roundUp(height, this.model.stride);
    const input = new Tensor("uint8", reflected(image, wide, high), [1, high, wide, 3]);
    const { map } = await this.session.run({ image: input });
    const data = cropped(map.data as Float32Array, wide, width, height);
    map.dispose();
    return { width, height, data };
  }
}

/** Pads a picture on the right and below by reflection; the border pixel is not repeated. */
function reflected(image: Pixels, wide: number, high: number): Uint8Array {
  const { width, height, data } = image;
  if (wide === width && high === height) return data;
  const padded = new Uint8Array(wide * high * 3);
  for (let y = 0; y < high; y++) {
    const from = reflect(y, height) * width * 3;
    const to = y * wide * 3;
    padded.set(data.subarray(from, from + width * 3), to);
    for (let x = width; x < wide; x++) {
      const at = from + reflect(x, width) * 3;
      padded.set(data.subarray(at, at + 3), to + x * 3);
    }
  }
  return padded;
}

function reflect(position: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const at = position % period;
  return at < length ? at : period - at;
}

/** Copies the map out of WebAssembly's memory, without the padding, clipped to [0, 1]. */
function cropped(map: Float32Array, wide: number, width: number, height: number): Float32Array {
  const data = new Float32Array(width * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data[at++] = Math.min(Math.max(map[y * wide + x], 0), 1);
    }
  }
  return data;
}
