/** The settings: what is shown, with which model and threshold, on which background. */

import type { Model } from "../network/models";
import { TILE_PX } from "../numerics/tiling";
import { taskOf, type Backdrop, type Look, type Settings } from "../settings";
import { byId } from "./elements";

/** Where a threshold slider starts; 0 keeps the values of a map. */
const FIRST_THRESHOLD: Record<Look, number> = { edges: 0, thin: 0, saliency: 0, cutout: 0.5 };

export class Panel {
  private readonly form = byId("panel", HTMLFormElement);
  private readonly model = byId("model", HTMLSelectElement);
  private readonly threshold = byId("threshold", HTMLInputElement);
  private readonly sharp = byId("sharp", HTMLInputElement);
  private readonly size = byId("size", HTMLSelectElement);
  private readonly colour = byId("colour", HTMLInputElement);
  private readonly chooser = byId("backdrop-file", HTMLInputElement);
  private readonly thresholds = { ...FIRST_THRESHOLD };
  private readonly chosen: Record<string, string> = {};
  private backdropFile: File | null = null;
  private longest = 0;

  /** `onChange` is called after every change of the settings. */
  constructor(
    private readonly models: readonly Model[],
    private readonly onChange: () => void,
  ) {
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", (event) => this.changed(event.target as HTMLElement));
    this.colour.addEventListener("click", () => this.chooseBackground("colour"));
    this.chooser.addEventListener("change", () => this.takeBackdrop());
    this.chooser.addEventListener("cancel", () => this.takeBackdrop());
    const picture = this.form.querySelector("[name=background][value=picture]")!;
    picture.addEventListener("click", () => this.chooser.click());
    this.offerLooks();
  }

  get look(): Look {
    return new FormData(this.form).get("look") as Look;
  }

  set look(look: Look) {
    (this.form.elements.namedItem("look") as RadioNodeList).value = look;
    this.showLook();
  }

  get settings(): Settings {
    const threshold = this.thresholds[this.look];
    return {
      look: this.look,
      model: this.model.value,
      threshold: threshold === 0 ? null : threshold,
      longest: this.size.value ? +this.size.value : null,
      sharp: this.sharp.checked,
      backdrop: this.backdrop,
    };
  }

  /** Offers working sizes for a picture. */
  fit(width: number, height: number): void {
    this.longest = Math.max(width, height);
    const kept = this.size.options.length ? this.size.value : String(TILE_PX);
    this.size.replaceChildren(
      new Option(`${pixels(TILE_PX)}, fast`, String(TILE_PX)),
      new Option(`Original, ${pixels(this.longest)}, slow`, ""),
    );
    this.size.value = kept;
    this.showFields();
  }

  private get backdrop(): Backdrop {
    const kind = new FormData(this.form).get("background");
    if (kind === "colour") return { kind, rgb: rgbOf(this.colour.value) };
    if (kind === "picture" && this.backdropFile) return { kind, file: this.backdropFile };
    return { kind: kind === "blur" ? "blur" : "transparent" };
  }

  private changed(target: HTMLElement): void {
    if (target === this.threshold) this.thresholds[this.look] = +this.threshold.value;
    if (target === this.model) this.chosen[taskOf(this.look)] = this.model.value;
    if (target === this.colour) this.chooseBackground("colour");
    if (target instanceof HTMLInputElement && target.name === "look") this.showLook();
    if (target instanceof HTMLInputElement && target.value === "picture" && !this.backdropFile) return;
    this.showFields();
    this.onChange();
  }

  /** Hides the looks that no model can make, and chooses the first of the others. */
  private offerLooks(): void {
    const radios = [...this.form.querySelectorAll<HTMLInputElement>("[name=look]")];
    const canMake = ({ value }: HTMLInputElement) =>
      this.models.some((model) => model.task === taskOf(value as Look));
    for (const radio of radios) radio.parentElement!.hidden = !canMake(radio);
    this.look = (radios.find(canMake)?.value ?? "edges") as Look;
  }

  /** Lists the models of the look's task, and its threshold. */
  private showLook(): void {
    const task = taskOf(this.look);
    const models = this.models.filter((model) => model.task === task);
    this.model.replaceChildren(
      ...models.map((model) => new Option(`${model.name} (${megabytes(model.bytes)})`, model.name)),
    );
    this.model.value = this.chosen[task] ?? models[0].name;
    this.threshold.min = this.look === "cutout" ? "0.02" : "0";
    this.threshold.value = String(this.thresholds[this.look]);
    this.showFields();
  }

  private showFields(): void {
    const isEdges = taskOf(this.look) === "edges";
    byId("background", HTMLFieldSetElement).hidden = this.look !== "cutout";
    byId("sharp-field", HTMLLabelElement).hidden = this.look !== "saliency";
    byId("size-field", HTMLDivElement).hidden = !isEdges || this.longest <= TILE_PX;
    byId("save-svg", HTMLButtonElement).hidden = !isEdges;
    const value = this.thresholds[this.look];
    const shown = value === 0 ? "Off" : value.toFixed(2);
    byId("threshold-value", HTMLSpanElement).textContent = shown;
    this.threshold.setAttribute("aria-valuetext", shown);
    const model = this.models.find((one) => one.name === this.model.value);
    byId("model-note", HTMLParagraphElement).textContent = model?.notes ?? "";
  }

  private chooseBackground(kind: string): void {
    (this.form.elements.namedItem("background") as RadioNodeList).value = kind;
  }

  /** Takes the picture that was chosen as background; without one, there is no new background. */
  private takeBackdrop(): void {
    this.backdropFile = this.chooser.files?.[0] ?? this.backdropFile;
    this.chooser.value = "";
    this.chooseBackground(this.backdropFile ? "picture" : "transparent");
    this.onChange();
  }
}

function pixels(length: number): string {
  return `${length.toLocaleString("en")} px`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function rgbOf(hex: string): [number, number, number] {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
