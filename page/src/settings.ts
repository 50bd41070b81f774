/** What the user chose, and what the worker answers. */

import type { Task } from "./network/models";

/** What is shown for a picture. */
export type Look = "edges" | "thin" | "saliency" | "cutout";

/** What is behind the object of a cut-out. `file` is any picture. */
export type Backdrop =
  | { readonly kind: "transparent" }
  | { readonly kind: "blur" }
  | { readonly kind: "colour"; readonly rgb: readonly [number, number, number] }
  | { readonly kind: "picture"; readonly file: Blob };

export interface Settings {
  readonly look: Look;
  /** Name of the model; it has the task of the look. */
  readonly model: string;
  /** null keeps the values of a map; a cut-out always has a threshold. */
  readonly threshold: number | null;
  /** Longest side at which an edge network sees the picture; null is the picture's own. */
  readonly longest: number | null;
  /** Whether a saliency map becomes a mask with sharp borders. */
  readonly sharp: boolean;
  readonly backdrop: Backdrop;
}

/** Milliseconds of one picture. `network` is 0 if the map was already computed. */
export interface Times {
  readonly decode: number;
  readonly network: number;
  readonly rest: number;
}

export interface Opened {
  readonly width: number;
  readonly height: number;
  readonly preview: ImageBitmap;
}

export interface Rendered {
  readonly preview: ImageBitmap;
  readonly times: Times;
  /** The picture's size and, if it is smaller, the size at which the network saw it. */
  readonly size: string;
}

export type Format = "png" | "svg";

export function taskOf(look: Look): Task {
  return look === "edges" || look === "thin" ? "edges" : "saliency";
}
