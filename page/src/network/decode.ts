/** Decoding of a picture file in the browser, to the numbers that Python's `featheredge.load_image` gives. */

import { strips, type Pixels } from "../numerics/arrays";

export const MAX_MEGAPIXELS = 100;

/**
 * Decodes a picture as 8-bit RGB. The EXIF orientation is applied, colour profiles are not, and
 * transparent pixels are composited on white.
 */
export async function decode(file: Blob): Promise<Pixels> {
  const bitmap = await bitmapOf(file);
  try {
    const megapixels = (bitmap.width * bitmap.height) / 1e6;
    if (megapixels > MAX_MEGAPIXELS) {
      throw new Error(
        `${bitmap.width} × ${bitmap.height} is ${megapixels.toFixed(0)} megapixels; ` +
          `the page opens up to ${MAX_MEGAPIXELS}. Make the picture smaller first.`,
      );
    }
    return pixelsOf(bitmap);
  } finally {
    bitmap.close();
  }
}

async function bitmapOf(file: Blob): Promise<ImageBitmap> {
  if (file.size === 0) throw new Error("The file is empty.");
  try {
    return await createImageBitmap(file, {
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
      imageOrientation: "from-image",
    });
  } catch {
    throw new Error(
      "This file is not a picture that the browser can read; it may be damaged. " +
        "Open a PNG, JPEG, WebP, AVIF or GIF file.",
    );
  }
}

/** Reads the pixels in strips: some browsers limit the area of a canvas, and RGBA is never whole. */
function pixelsOf(bitmap: ImageBitmap): Pixels {
  const { width, height } = bitmap;
  const data = new Uint8Array(width * height * 3);
  const bands = strips(width, height);
  const canvas = new OffscreenCanvas(width, bands[0].bottom);
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (!context) throw new Error("The browser offers no canvas; update it or try another browser.");
  context.fillStyle = "white";
  for (const { top, bottom } of bands) {
    context.fillRect(0, 0, width, bottom - top);
    context.drawImage(bitmap, 0, -top);
    const rgba = context.getImageData(0, 0, width, bottom - top).data;
    for (let from = 0, at = top * width * 3; from < rgba.length; from += 4) {
      data[at++] = rgba[from];
      data[at++] = rgba[from + 1];
      data[at++] = rgba[from + 2];
    }
  }
  return { width, height, data };
}
