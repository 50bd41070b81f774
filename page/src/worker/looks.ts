/** From a map to what is shown and saved, with the numbers of the commands of the same names. */

import { highest, quantise, type FloatMap, type Pixels } from "../numerics/arrays";
import { cutOut, over, refineSubject, softMask, type Background } from "../numerics/cutout";
import { resizeMap } from "../numerics/resize";
import { suppress } from "../numerics/thin";
import type { Raster } from "../output/png";
import { svgOf } from "../output/svg";
import type { Settings } from "../settings";

/** Border of an object, and lowest ridge of a contour, where no threshold is set. */
const DEFAULT_THRESHOLD = 0.5;
const CONTOUR_THRESHOLD = 0.3;

/**
 * Returns the pixels of a look; throws where there is nothing to cut out.
 *
 * Edge maps have the size of the picture; saliency maps have any size.
 */
export function rasterOf(
  image: Pixels,
  map: FloatMap,
  settings: Settings,
  background: Background,
): Raster {
  const { threshold } = settings;
  switch (settings.look) {
    case "edges":
      return grey(binarised(map, threshold));
    case "thin":
      return grey(binarised(suppress(map), threshold));
    case "saliency":
      if (settings.sharp) return grey(sharpMask(image, map, threshold));
      return grey(binarised(resizeMap(map, image.width, image.height), threshold));
    case "cutout":
      return cutoutOf(image, map, threshold ?? DEFAULT_THRESHOLD, background);
  }
}

/** Returns the edges of a map as an SVG file. */
export function contoursOf(map: FloatMap, threshold: number | null): string {
  return svgOf(suppress(map), threshold ?? CONTOUR_THRESHOLD);
}

function cutoutOf(
  image: Pixels,
  map: FloatMap,
  threshold: number,
  background: Background,
): Raster {
  requireObject(map, threshold); // on the network's own map, before borders are refined
  const refined = refineSubject(image, map, threshold);
  requireObject(refined, threshold);
  const cut = cutOut(image, refined, threshold);
  const { width, height } = image;
  if (background.kind !== "transparent") {
    return { width, height, channels: 3, data: over(cut, image, background).data };
  }
  const data = new Uint8Array(width * height * 4);
  for (let i = 0; i < cut.alpha.data.length; i++) {
    for (let channel = 0; channel < 3; channel++) {
      data[4 * i + channel] = cut.colours.data[3 * i + channel];
    }
    data[4 * i + 3] = cut.alpha.data[i];
  }
  return { width, height, channels: 4, data };
}

function requireObject(map: FloatMap, threshold: number): void {
  const most = highest(map);
  if (most >= Math.fround(threshold)) return;
  throw new Error(
    `No object: the highest value of the map is ${most.toFixed(2)}, below the threshold ` +
      `${threshold.toFixed(2)}. Lower the threshold to cut out less certain objects.`,
  );
}

/** Returns the mask that a cut-out uses, or its pixels of at least the threshold. */
function sharpMask(image: Pixels, map: FloatMap, threshold: number | null): FloatMap {
  const refined = refineSubject(image, map, threshold ?? DEFAULT_THRESHOLD);
  return threshold === null ? softMask(refined, DEFAULT_THRESHOLD) : binarised(refined, threshold);
}

function binarised(map: FloatMap, threshold: number | null): FloatMap {
  if (threshold === null) return map;
  const border = Math.fround(threshold);
  return { ...map, data: map.data.map((value) => (value >= border ? 1 : 0)) };
}

function grey(map: FloatMap): Raster {
  return { width: map.width, height: map.height, channels: 1, data: quantise(map).data };
}
