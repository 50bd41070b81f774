/** From a saliency map to a cut-out: opacities, colours without fringes, and a new background. */

import { quantise, roundHalfEven, type Bytes, type FloatMap, type Pixels } from "./arrays";
import { settle } from "./randomWalk";
import { boxMean, FIT_PX, refine, smallCopy } from "./refine";
import { enlarger, fitInside, resizeBytes, resizeMap, resizePixels } from "./resize";
import { selectSubject } from "./subject";

const SOFTNESS = 0.2;
const OPAQUE = 255;
const NEAR = 1 / 64;
const FAR = 1 / 32;

/** What is behind the object. */
export type Background =
  | { readonly kind: "transparent" }
  | { readonly kind: "blur" }
  | { readonly kind: "colour"; readonly rgb: readonly [number, number, number] }
  | { readonly kind: "picture"; readonly pixels: Pixels };

/** An object without background colour in its border pixels. */
export interface Cutout {
  readonly colours: Pixels;
  readonly alpha: Bytes;
}

/** Returns the map of the subject, without small parts and with sharp borders. */
export function refineSubject(image: Pixels, map: FloatMap, threshold: number): FloatMap {
  const small = resizeMap(map, ...fitInside(image.width, image.height, FIT_PX));
  const settled = settle(small, smallCopy(image), Math.fround(threshold));
  return refine(selectSubject(settled, Math.fround(threshold)).map, image);
}

/** Converts a map to opacities: a linear ramp from 0 to 1 around the threshold. */
export function softMask(map: FloatMap, threshold: number): FloatMap {
  const low = Math.fround(Math.max(threshold - SOFTNESS / 2, 0));
  const high = Math.fround(Math.min(threshold + SOFTNESS / 2, 1));
  const data = new Float32Array(map.data.length);
  for (let i = 0; i < data.length; i++) {
    data[i] = Math.min(Math.max((map.data[i] - low) / (high - low), 0), 1);
  }
  return { width: map.width, height: map.height, data };
}

/** Cuts an object out of a picture, given its map with sharp borders. */
export function cutOut(image: Pixels, refined: FloatMap, threshold: number): Cutout {
  const alpha = quantise(softMask(refined, threshold));
  return { colours: foreground(image, alpha), alpha };
}

/** Blends a cut-out over a background; the result has no transparency. */
export function over(cut: Cutout, image: Pixels, background: Background): Pixels {
  const { width, height } = image;
  const behind = backdrop(background, image, cut.alpha).data;
  const data = new Uint8Array(width * height * 3);
  const step = behind.length === 3 ? 0 : 1;
  for (let i = 0, at = 0; i < cut.alpha.data.length; i++) {
    const alpha = cut.alpha.data[i];
    for (let channel = 0; channel < 3; channel++, at++) {
      const under = behind[step ? at : channel];
      data[at] = divideBy255(cut.colours.data[at] * alpha + under * (OPAQUE - alpha));
    }
  }
  return { width, height, data };
}

/**
 * Estimates the object's colours in mixed border pixels, so that no colour fringe remains.
 *
 * Forte, "Approximate Fast Foreground Colour Estimation" (ICIP 2021): F and B are mean colours of
 * object and background around a pixel, and the residual of the picture I corrects the estimate:
 * F + a (I - a F - (1 - a) B). F and B are smooth, so they are computed on a small copy.
 */
function foreground(image: Pixels, alpha: Bytes): Pixels {
  const { width, height } = image;
  const small = smallCopy(image);
  const weight = resizeBytes(alpha, small.width, small.height);
  const near = enlarger(meanColour(small, weight, NEAR), width, height);
  const behind = enlarger(meanColour(small, inverted(weight), NEAR), width, height);
  const data = image.data.slice();
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const opacity = alpha.data[i];
      if (opacity === OPAQUE) continue;
      const share = opacity / OPAQUE;
      for (let c = 0; c < 3; c++) {
        const colour = near(y, 3 * x + c);
        data[3 * i + c] = colour;
        if (opacity === 0) continue;
        const unexplained =
          image.data[3 * i + c] - share * colour - (1 - share) * behind(y, 3 * x + c);
        data[3 * i + c] = toByte(colour + share * unexplained);
      }
    }
  }
  return { width, height, data };
}

/** Returns the background at the picture's size, or as one pixel for a colour. */
function backdrop(background: Background, image: Pixels, alpha: Bytes): Pixels {
  const { width, height } = image;
  switch (background.kind) {
    case "transparent":
      throw new Error("a transparent background is not blended");
    case "colour":
      return { width: 1, height: 1, data: Uint8Array.from(background.rgb) };
    case "blur":
      return resizePixels(blurred(smallCopy(image), alpha), width, height);
    case "picture":
      return fitted(background.pixels, width, height);
  }
}

/** Crops a picture to an aspect ratio around its centre and resizes it, as `ImageOps.fit`. */
function fitted(picture: Pixels, width: number, height: number): Pixels {
  const wanted = width / height;
  const found = picture.width / picture.height;
  let [cropWidth, cropHeight] = [picture.width, picture.height];
  if (found > wanted) cropWidth = wanted * picture.height;
  else if (found < wanted) cropHeight = picture.width / wanted;
  const left = (picture.width - cropWidth) / 2;
  const top = (picture.height - cropHeight) / 2;
  const box = { left, top, right: left + cropWidth, bottom: top + cropHeight };
  return resizePixels(picture, width, height, box);
}

/** Returns a small copy of the picture's background, blurred. */
function blurred(small: Pixels, alpha: Bytes): Pixels {
  return meanColour(small, resizeBytes(inverted(alpha), small.width, small.height), FAR, 3);
}

/** Returns mean colours around every pixel of a small picture, with a weight for each pixel. */
function meanColour(small: Pixels, weight: Bytes, radius: number, passes = 1): Pixels {
  const { width, height } = small;
  let weights = new Float64Array(weight.data);
  let colours = new Float64Array(small.data).map((value, i) => value * weights[Math.floor(i / 3)]);
  const radiusPx = Math.max(roundHalfEven(radius * Math.max(width, height)), 1);
  for (let pass = 0; pass < passes; pass++) {
    colours = boxMean(colours, width, height, 3, radiusPx) as typeof colours;
    weights = boxMean(weights, width, height, 1, radiusPx) as typeof weights;
  }
  const data = new Uint8Array(colours.length);
  for (let at = 0; at < data.length; at++) {
    data[at] = toByte(colours[at] / Math.max(weights[Math.floor(at / 3)], 1e-3));
  }
  return { width, height, data };
}

function inverted(alpha: Bytes): Bytes {
  const data = new Uint8Array(alpha.data.length);
  for (let i = 0; i < data.length; i++) data[i] = OPAQUE - alpha.data[i];
  return { ...alpha, data };
}

function toByte(value: number): number {
  return Math.min(Math.max(roundHalfEven(value), 0), OPAQUE);
}

/** Divides by 255 with rounding, in integers, as Pillow does. */
function divideBy255(value: number): number {
  const shifted = value + 128;
  return ((shifted >> 8) + shifted) >> 8;
}
