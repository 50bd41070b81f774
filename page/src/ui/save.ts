/** Saving: files for the browser to download, and the clipboard. */

import { distinct, zipOf } from "../output/zip";
import type { Format, Look } from "../settings";
import type { Item } from "./filmstrip";

/** What the file names of a look end with, as on the command line. */
const ENDINGS: Record<Look, string> = {
  edges: "edges",
  thin: "thin",
  saliency: "saliency",
  cutout: "cutout",
};

export type Encode = (item: Item, format: Format) => Promise<Blob>;

export function nameOf(item: Item, look: Look, format: Format): string {
  return `${item.name.replace(/\.[^.]+$/, "")}-${ENDINGS[look]}.${format}`;
}

export function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Copies a picture; the browser waits for it, so that the click still counts. */
export async function copyPng(png: Promise<Blob>): Promise<void> {
  if (!navigator.clipboard) throw new Error("Copying needs https or localhost.");
  await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
}

/** What a batch gave: the archive, and a sentence for each picture that failed. */
export interface Batch {
  readonly zip: Blob;
  readonly numFiles: number;
  readonly failures: readonly string[];
}

/** Encodes all pictures, one after the other, and packs them; a failure does not stop the others. */
export async function packAll(
  items: readonly Item[],
  look: Look,
  encode: Encode,
  onProgress: (done: number) => void,
): Promise<Batch> {
  const names = distinct(items.map((item) => nameOf(item, look, "png")));
  const entries = [];
  const failures: string[] = [];
  for (const [i, item] of items.entries()) {
    try {
      entries.push({ name: names[i], blob: await encode(item, "png") });
    } catch (error) {
      if (error instanceof DOMException) throw error; // cancelled
      failures.push(`${item.name}: ${(error as Error).message}`);
    }
    onProgress(i + 1);
  }
  return { zip: await zipOf(entries), numFiles: entries.length, failures };
}
