/** Keeps the page on this device, so that it works without a network; see sw.ts. */

/** Registers the service worker when the page has nothing more urgent to load. */
export function setUpOffline(): void {
  if (!("serviceWorker" in navigator) || !import.meta.env.PROD) return;
  addEventListener("load", () => {
    // The page works without it: private windows and some hosts refuse service workers.
    setTimeout(() => void navigator.serviceWorker.register("sw.js").catch(() => undefined), 3000);
  });
}
