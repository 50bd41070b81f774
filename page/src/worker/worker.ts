/**
 * The worker: it answers the page's requests one after the other, so that the page never waits.
 * Pictures can be opened while the first network loads.
 */

import { numThreads } from "../network/runtime";
import type { FromWorker, Request, ToWorker } from "./protocol";
import { Studio } from "./studio";

class Cancelled extends Error {}

let studio: Studio | undefined;
let queue: Promise<void> = Promise.resolve();
const cancelled = new Set<number>();

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ("cancel" in data) cancelled.add(data.id);
  else if (data.request.kind === "start") void reply(data.id, data.request);
  else queue = queue.then(letMessagesIn).then(() => reply(data.id, data.request));
};

/** A cancel message can only arrive between tasks. */
function letMessagesIn(): Promise<void> {
  return new Promise((resume) => setTimeout(resume));
}

async function reply(id: number, request: Request): Promise<void> {
  try {
    stopIfCancelled(id);
    const answer = await answerTo(id, request);
    send({ id, answer }, transferable(answer));
  } catch (error) {
    send({ id, error: messageOf(error), cancelled: error instanceof Cancelled });
  } finally {
    cancelled.delete(id);
  }
}

async function answerTo(id: number, request: Request): Promise<unknown> {
  if (request.kind === "start") {
    studio = new Studio(request.base, request.models);
    await studio.network(request.warm);
    return numThreads;
  }
  if (!studio) throw new Error("The page is not ready; reload it.");
  const onTile = async (share: number) => {
    send({ id, progress: share });
    await letMessagesIn();
    stopIfCancelled(id);
  };
  switch (request.kind) {
    case "open":
      return studio.open(request.picture, request.file);
    case "render":
      return studio.render(request.picture, request.settings, onTile);
    case "encode":
      return studio.encode(request.picture, request.settings, request.format, onTile);
    case "close":
      studio.close(request.picture);
      return null;
  }
}

function stopIfCancelled(id: number): void {
  if (cancelled.has(id)) throw new Cancelled();
}

function send(message: FromWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

/** Bitmaps move to the page without a copy. */
function transferable(answer: unknown): Transferable[] {
  const preview = (answer as { preview?: ImageBitmap } | null)?.preview;
  return preview ? [preview] : [];
}

function messageOf(error: unknown): string {
  if (error instanceof RangeError) {
    return "The picture needs more memory than the browser gives; choose a smaller working size.";
  }
  return error instanceof Error ? error.message : String(error);
}
