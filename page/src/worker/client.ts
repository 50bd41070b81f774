/** The page's side of the worker: typed requests, progress, and cancellation. */

import type { Calls, FromWorker, Kind, Request } from "./protocol";

export interface Options {
  readonly signal?: AbortSignal;
  readonly onProgress?: (share: number) => void;
}

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
  onProgress?: ((share: number) => void) | undefined;
}

export class Client {
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.hear(data);
    this.worker.onerror = (event) => {
      const error = new Error(event.message || "The worker stopped; reload the page.");
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
  }

  /** Sends a request; an aborted one rejects with an error called AbortError. */
  call<K extends Kind>(
    kind: K,
    request: Calls[K]["request"],
    { signal, onProgress }: Options = {},
  ): Promise<Calls[K]["answer"]> {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as Waiting["resolve"], reject, onProgress });
      signal?.addEventListener("abort", () => this.worker.postMessage({ id, cancel: true }));
      this.worker.postMessage({ id, request: { kind, ...request } as Request });
    });
  }

  private hear(message: FromWorker): void {
    const waiting = this.waiting.get(message.id);
    if (!waiting) return;
    if ("progress" in message) {
      waiting.onProgress?.(message.progress);
      return;
    }
    this.waiting.delete(message.id);
    if ("answer" in message) waiting.resolve(message.answer);
    else if (message.cancelled) waiting.reject(new DOMException("cancelled", "AbortError"));
    else waiting.reject(new Error(message.error));
  }
}
