/** The opened pictures as a row of thumbnails; one of them is shown. */

import { byId } from "./elements";

const THUMB_PX = 144;

/** An opened picture. */
export interface Item {
  readonly id: number;
  readonly name: string;
  readonly file: File;
}

export class Filmstrip {
  readonly items: Item[] = [];
  private readonly list = byId("pictures", HTMLUListElement);
  private readonly buttons = new Map<Item, HTMLButtonElement>();

  constructor(private readonly onSelect: (item: Item) => void) {}

  add(item: Item, thumb: HTMLCanvasElement): void {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", item.name);
    button.title = item.name;
    button.append(thumb);
    button.addEventListener("click", () => this.onSelect(item));
    const entry = document.createElement("li");
    entry.append(button);
    this.list.append(entry);
    this.items.push(item);
    this.buttons.set(item, button);
    this.list.parentElement!.hidden = false;
  }

  mark(item: Item): void {
    for (const [one, button] of this.buttons) {
      if (one === item) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    this.buttons.get(item)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  clear(): void {
    this.items.length = 0;
    this.buttons.clear();
    this.list.replaceChildren();
  }
}

/** Returns a small square picture. */
export function thumbnailOf(preview: ImageBitmap): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = THUMB_PX;
  const side = Math.min(preview.width, preview.height);
  const [left, top] = [(preview.width - side) / 2, (preview.height - side) / 2];
  const context = canvas.getContext("2d")!;
  context.imageSmoothingQuality = "high";
  context.drawImage(preview, left, top, side, side, 0, 0, THUMB_PX, THUMB_PX);
  return canvas;
}
