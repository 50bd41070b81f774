/** Messages between the page and its worker. */

import type { Model } from "../network/models";
import type { Format, Opened, Rendered, Settings } from "../settings";

/** Requests and their answers. `picture` is the number of an opened picture. */
export interface Calls {
  /** Loads the runtime and one model ahead of the first picture. `base` is the page's address. */
  start: { request: { base: string; models: readonly Model[]; warm: string }; answer: number };
  open: { request: { picture: number; file: Blob }; answer: Opened };
  render: { request: { picture: number; settings: Settings }; answer: Rendered };
  encode: { request: { picture: number; settings: Settings; format: Format }; answer: Blob };
  close: { request: { picture: number }; answer: null };
}

export type Kind = keyof Calls;

export type Request = { [K in Kind]: { kind: K } & Calls[K]["request"] }[Kind];

export type ToWorker = { id: number; request: Request } | { id: number; cancel: true };

export type FromWorker = { id: number } & (
  | { answer: unknown }
  | { error: string; cancelled: boolean }
  | { progress: number }
);
