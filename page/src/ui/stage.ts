/** The picture and its result, with a slider between them. */

import { byId } from "./elements";

export class Stage {
  private readonly frame = byId("frame", HTMLDivElement);
  private readonly before = byId("before", HTMLCanvasElement);
  private readonly after = byId("after", HTMLCanvasElement);
  private readonly compare = byId("compare", HTMLInputElement);
  private readonly busy = byId("busy", HTMLDivElement);
  private timer = 0;

  constructor() {
    this.compare.addEventListener("input", () => this.moveDivider());
    this.moveDivider();
  }

  showOriginal(preview: ImageBitmap, name: string): void {
    this.frame.style.setProperty("--ratio", String(preview.width / preview.height));
    this.before.setAttribute("aria-label", `The original, ${name}`);
    show(this.before, preview);
    this.clearResult();
  }

  showResult(preview: ImageBitmap, label: string, seeThrough: boolean): void {
    this.frame.classList.toggle("see-through", seeThrough);
    this.after.setAttribute("aria-label", label);
    show(this.after, preview);
  }

  clearResult(): void {
    this.frame.classList.remove("see-through");
    this.after.width = this.after.height = 1;
  }

  /** Shows that work is under way, after a moment; `share` is known for work in tiles. */
  setBusy(share?: number): void {
    this.busy.classList.toggle("open", share === undefined);
    this.busy.style.setProperty("--share", share === undefined ? "30%" : `${share * 100}%`);
    if (!this.timer) this.timer = window.setTimeout(() => (this.busy.hidden = false), 150);
  }

  setIdle(): void {
    clearTimeout(this.timer);
    this.timer = 0;
    this.busy.hidden = true;
  }

  private moveDivider(): void {
    const share = this.compare.value;
    this.frame.style.setProperty("--at", `${share}%`);
    this.compare.setAttribute("aria-valuetext", `${share} % original, ${100 - +share} % result`);
  }
}

function show(canvas: HTMLCanvasElement, bitmap: ImageBitmap): void {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("bitmaprenderer")!.transferFromImageBitmap(bitmap);
}
