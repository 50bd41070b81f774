/**
 * The service worker: it keeps the page for use without a network.
 *
 * It also adds the two headers that let networks run in several threads, for hosts that do not send
 * them; they apply from the second visit.
 */

/// <reference lib="webworker" />

import type { Model } from "./network/models";

declare const self: ServiceWorkerGlobalScope;
declare const __SOURCES__: string;

const CACHE = `featheredge-${__SOURCES__.slice(0, 12)}`;
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

self.addEventListener("install", (event) => event.waitUntil(keepAll().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(dropOld().then(() => self.clients.claim())));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const isOurs = request.url.startsWith(self.registration.scope);
  if (request.method === "GET" && isOurs) event.respondWith(answer(request));
});

/** Keeps the page's own files and the default model of each task; other models when they are used. */
async function keepAll(): Promise<void> {
  const { files } = await (await fetch("build.json")).json();
  const { models } = (await (await fetch("models/models.json")).json()) as { models: Model[] };
  const defaults = models.filter((model, i) => models.findIndex((m) => m.task === model.task) === i);
  const weights = defaults.map((model) => `models/${model.file}?v=${model.sha256.slice(0, 12)}`);
  const cache = await caches.open(CACHE);
  // What the browser has just loaded for the page is not asked for again.
  const loaded = [...files, ...weights].map((file) => new Request(file, { cache: "force-cache" }));
  await cache.addAll(["./", "build.json", "models/models.json", ...loaded]);
}

async function dropOld(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("featheredge-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** Files whose names change with their content come from the cache; others from the network first. */
async function answer(request: Request): Promise<Response> {
  const isFixed = /\/assets\/|[?&]v=/.test(request.url);
  const kept = isFixed ? await caches.match(request) : undefined;
  if (kept) return isolated(kept);
  try {
    const response = await fetch(request);
    if (response.ok && response.status === 200) await keep(request, response.clone());
    return isolated(response);
  } catch (error) {
    const old = await caches.match(request);
    if (old) return isolated(old);
    throw error;
  }
}

async function keep(request: Request, response: Response): Promise<void> {
  await (await caches.open(CACHE)).put(request, response);
}

function isolated(response: Response): Response {
  if (!response.body || response.type === "opaque") return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  return new Response(response.body, { status: response.status, headers });
}
