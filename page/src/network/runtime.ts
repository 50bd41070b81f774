/** ONNX Runtime in WebAssembly: one CPU build with SIMD, and threads where the page is isolated. */

import * as ort from "onnxruntime-web/wasm";
import loaderUrl from "virtual:ort-loader";
import wasmUrl from "virtual:ort-wasm";
import { readBytes } from "./gzip";

const MAX_THREADS = 4;

let ready: Promise<void> | undefined;

/** Threads that networks run in; more than one needs a cross-origin isolated page. */
export const numThreads = self.crossOriginIsolated
  ? Math.min(navigator.hardwareConcurrency || 1, MAX_THREADS)
  : 1;

/** Loads the WebAssembly once; later calls wait for the same load. */
export function loadRuntime(base: string): Promise<void> {
  ready ??= configure(base);
  return ready;
}

/** Opens a network from the bytes of its weights file. */
export async function openNetwork(weights: Uint8Array): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(weights, {
    executionProviders: ["wasm"],
    // The optimiser takes a third of the time to the first result, and saves none later: what the
    // files hold is optimised, and layouts for the CPU's own vectors do not exist in WebAssembly.
    graphOptimizationLevel: "disabled",
    enableMemPattern: false, // it would keep a memory plan for every picture size
  });
}

async function configure(base: string): Promise<void> {
  ort.env.wasm.numThreads = numThreads;
  ort.env.wasm.wasmPaths = { mjs: new URL(loaderUrl, base).href };
  ort.env.wasm.wasmBinary = await readWasm(new URL(wasmUrl, base));
}

/** Reads the WebAssembly, which is stored with gzip: a quarter of its size. */
async function readWasm(address: URL): Promise<ArrayBuffer> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`The page is incomplete: ${address.pathname} (${answer.status}).`);
  return (await readBytes(answer)).buffer;
}
