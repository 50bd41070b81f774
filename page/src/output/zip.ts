/** ZIP archive of pictures that are already compressed. */

import { Zip, ZipPassThrough } from "fflate";

export interface Entry {
  readonly name: string;
  readonly blob: Blob;
}

/** Packs files one by one, so that only one is in memory besides the archive. */
export async function zipOf(entries: readonly Entry[]): Promise<Blob> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const archive = new Zip((error, chunk) => {
    if (error) throw error;
    chunks.push(chunk as Uint8Array<ArrayBuffer>);
  });
  for (const { name, blob } of entries) {
    const file = new ZipPassThrough(name);
    archive.add(file);
    file.push(new Uint8Array(await blob.arrayBuffer()), true);
  }
  archive.end();
  return new Blob(chunks, { type: "application/zip" });
}

/** Returns different names for files of equal names: photo.png, photo-2.png, ... */
export function distinct(names: readonly string[]): string[] {
  const used = new Set<string>();
  return names.map((name) => {
    const dot = name.lastIndexOf(".");
    let free = name;
    for (let i = 2; used.has(free); i++) free = `${name.slice(0, dot)}-${i}${name.slice(dot)}`;
    used.add(free);
    return free;
  });
}
