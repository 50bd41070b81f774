/** Files that are stored with gzip. */

/** Reads a file's bytes. Some hosts decompress a file on the way, so its first bytes decide. */
export async function readBytes(answer: Response): Promise<Uint8Array<ArrayBuffer>> {
  const stored = new Uint8Array(await answer.arrayBuffer());
  if (stored[0] !== 0x1f || stored[1] !== 0x8b) return stored;
  const stream = new Blob([stored]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
