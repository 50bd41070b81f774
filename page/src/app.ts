/** The page at work: it opens pictures, asks the worker for results, and shows and saves them. */

import type { Model } from "./network/models";
import { taskOf, type Format, type Look, type Rendered, type Settings } from "./settings";
import { alertUser, clearAlerts } from "./ui/alerts";
import { byId } from "./ui/elements";
import { Filmstrip, thumbnailOf, type Item } from "./ui/filmstrip";
import { Panel } from "./ui/panel";
import { copyPng, download, nameOf, packAll } from "./ui/save";
import { Stage } from "./ui/stage";
import { Client } from "./worker/client";

const RESULTS: Record<Look, string> = {
  edges: "Edges",
  thin: "Thin edges",
  saliency: "Saliency",
  cutout: "Cut-out",
};

export class App {
  private readonly client = new Client();
  private readonly stage = new Stage();
  private readonly panel: Panel;
  private readonly strip = new Filmstrip((item) => void this.select(item));
  private readonly status = byId("status", HTMLParagraphElement);
  private shown: Item | null = null;
  private rendering = new AbortController();
  private lastId = 0;

  constructor(models: readonly Model[]) {
    if (!models.length) throw new Error("The page has no models; models/models.json is empty.");
    this.panel = new Panel(models, () => void this.render());
    const warm = models.find((model) => model.task === taskOf(this.panel.look))!.name;
    this.client
      .call("start", { base: document.baseURI, models, warm })
      .then((threads) => this.showRuntime(threads))
      .catch((error: Error) => alertUser(error.message));
    this.onButton("save-png", () => this.save("png"));
    this.onButton("save-svg", () => this.save("svg"));
    this.onButton("save-zip", () => this.saveAll());
    this.onButton("copy", () => this.copy());
    this.onButton("start-over", async () => this.startOver());
  }

  /** Opens pictures; those that cannot be read are reported, and the first good one is shown. */
  async open(files: readonly File[]): Promise<void> {
    clearAlerts();
    let isFirst = true;
    for (const file of files) {
      const item = { id: ++this.lastId, name: file.name, file };
      try {
        const { width, height, preview } = await this.client.call("open", { picture: item.id, file });
        this.strip.add(item, thumbnailOf(preview));
        this.showWork();
        if (isFirst) {
          this.show(item, preview, width, height);
          isFirst = false;
        } else preview.close();
      } catch (error) {
        alertUser(`${file.name}: ${(error as Error).message}`);
      }
    }
  }

  private async select(item: Item): Promise<void> {
    this.stage.setBusy();
    const { id, file } = item;
    const { width, height, preview } = await this.client.call("open", { picture: id, file });
    this.show(item, preview, width, height);
  }

  private show(item: Item, preview: ImageBitmap, width: number, height: number): void {
    this.shown = item;
    this.strip.mark(item);
    this.stage.showOriginal(preview, item.name);
    this.panel.fit(width, height);
    void this.render();
  }

  /** Asks for the result with the settings of now; an earlier request that waits is dropped. */
  private async render(): Promise<void> {
    this.rendering.abort();
    if (!this.shown) return;
    const { signal } = (this.rendering = new AbortController());
    const settings = this.panel.settings;
    this.stage.setBusy();
    try {
      const request = { picture: this.shown.id, settings };
      const onProgress = (share: number) => this.stage.setBusy(share);
      const rendered = await this.client.call("render", request, { signal, onProgress });
      if (!signal.aborted) this.showResult(rendered, settings);
    } catch (error) {
      if (!signal.aborted) this.showFailure(error as Error);
    }
    if (!signal.aborted) this.stage.setIdle();
  }

  private showFailure(error: Error): void {
    this.stage.clearResult();
    this.say(error.message, true);
  }

  private showResult({ preview, times, size }: Rendered, settings: Settings): void {
    const seeThrough = settings.look === "cutout" && settings.backdrop.kind === "transparent";
    this.stage.showResult(preview, `The result: ${RESULTS[settings.look]}`, seeThrough);
    const total = times.decode + times.network + times.rest;
    const part = times.network ? `, of which network ${duration(times.network)}` : "";
    this.say(`${RESULTS[settings.look]} in ${duration(total)}${part} · ${size}`);
  }

  private async save(format: Format): Promise<void> {
    if (!this.shown) return;
    const blob = await this.encode(this.shown, format);
    download(blob, nameOf(this.shown, this.panel.look, format));
  }

  private async copy(): Promise<void> {
    if (!this.shown) return;
    await copyPng(this.encode(this.shown, "png"));
    this.say("Copied to the clipboard");
  }

  private async saveAll(): Promise<void> {
    const { items } = this.strip;
    const settings = this.panel.settings;
    const encode = (item: Item, format: Format) => this.encode(item, format, settings);
    const onProgress = (done: number) => {
      this.say(`${done} of ${items.length} pictures`);
      this.stage.setBusy(done / items.length);
    };
    const { zip, numFiles, failures } = await packAll(items, settings.look, encode, onProgress);
    for (const failure of failures) alertUser(failure);
    if (numFiles) download(zip, `featheredge-${settings.look}.zip`);
    this.say(`${numFiles} of ${items.length} pictures in the ZIP`, failures.length > 0);
  }

  private encode(item: Item, format: Format, settings = this.panel.settings): Promise<Blob> {
    const onProgress = (share: number) => this.stage.setBusy(share);
    return this.client.call("encode", { picture: item.id, settings, format }, { onProgress });
  }

  private startOver(): void {
    this.rendering.abort();
    for (const { id } of this.strip.items) void this.client.call("close", { picture: id });
    this.strip.clear();
    this.shown = null;
    this.stage.setIdle();
    clearAlerts();
    this.showWork();
    document.querySelector<HTMLElement>("#welcome [data-open]")!.focus();
  }

  /** Shows the welcome or the picture, and what only several pictures need. */
  private showWork(): void {
    const { length } = this.strip.items;
    byId("welcome", HTMLElement).hidden = length > 0;
    byId("work", HTMLElement).hidden = length === 0;
    byId("start-over", HTMLButtonElement).hidden = length === 0;
    byId("save-zip", HTMLButtonElement).hidden = length < 2;
  }

  private showRuntime(threads: number): void {
    const with_ = threads > 1 ? `${threads} threads` : "one thread";
    byId("runtime", HTMLParagraphElement).textContent =
      `Runs on this device with ${with_}. Nothing is uploaded.`;
  }

  /** A button is off while it works, and its errors are shown. */
  private onButton(id: string, act: () => Promise<void>): void {
    const button = byId(id, HTMLButtonElement);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await act();
      } catch (error) {
        alertUser((error as Error).message);
      } finally {
        button.disabled = false;
        this.stage.setIdle();
      }
    });
  }

  private say(text: string, isWrong = false): void {
    this.status.textContent = text;
    this.status.classList.toggle("wrong", isWrong);
  }
}

function duration(ms: number): string {
  return ms < 995 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
