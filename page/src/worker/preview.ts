/** Pictures for the screen: bitmaps of at most a screen's size. */

import { fitInside, resizeRaster } from "../numerics/resize";
import type { Raster } from "../output/png";

const LONGEST_PX = 2400;

export async function previewOf(raster: Raster): Promise<ImageBitmap> {
  const [width, height] = fitInside(raster.width, raster.height, LONGEST_PX);
  const small = width === raster.width ? raster.data : resizeRaster(raster, width, height);
  return createImageBitmap(new ImageData(rgbaOf(small, raster.channels), width, height));
}

function rgbaOf(data: Uint8Array, channels: number): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray((data.length / channels) * 4);
  const [green, blue] = channels === 1 ? [0, 0] : [1, 2];
  for (let from = 0, at = 0; from < data.length; from += channels, at += 4) {
    rgba[at] = data[from];
    rgba[at + 1] = data[from + green];
    rgba[at + 2] = data[from + blue];
    rgba[at + 3] = channels === 4 ? data[from + 3] : 255;
  }
  return rgba;
}
