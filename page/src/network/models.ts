/** The models that the page can run, from `models/models.json`. */

import { readBytes } from "./gzip";

export type Task = "edges" | "saliency";

export interface Model {
  readonly name: string;
  readonly task: Task;
  /** The weights file; a static host has it with gzip. */
  readonly file: string;
  /** Size of the weights, without gzip. */
  readonly bytes: number;
  readonly sha256: string;
  /** Height and width of the input must be multiples of this. */
  readonly stride: number;
  /** Side of the square that pictures are resized to; null for their own size. */
  readonly input_px: number | null;
  readonly notes: string;
}

const FOLDER = "models/";

/** Reads the list; the first model of a task is its default. */
export async function readModels(base: string): Promise<Model[]> {
  const answer = await fetch(new URL(`${FOLDER}models.json`, base));
  if (!answer.ok) throw new Error(`The list of models cannot be read (${answer.status}).`);
  return (await answer.json()).models;
}

/** Reads a weights file; the digest in the address keeps an old copy out of the cache. */
export async function readWeights(model: Model, base: string): Promise<Uint8Array> {
  const address = new URL(`${FOLDER}${model.file}?v=${model.sha256.slice(0, 12)}`, base);
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) {
    throw new Error(
      `The model ${model.name} cannot be downloaded` +
        (answer ? ` (${answer.status}).` : "; the network is off. Choose a model that was used."),
    );
  }
  const weights = await readBytes(answer);
  if (weights.length !== model.bytes) {
    throw new Error(
      `The model ${model.name} has ${weights.length} bytes; expected ${model.bytes}. Reload the page.`,
    );
  }
  return weights;
}
