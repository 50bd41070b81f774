/** The pictures and networks of the page, in the worker: what is decoded and computed is kept. */

import { decode } from "../network/decode";
import { readWeights, type Model } from "../network/models";
import { Network, type OnTile } from "../network/network";
import { loadRuntime, openNetwork } from "../network/runtime";
import type { FloatMap, Pixels } from "../numerics/arrays";
import type { Background } from "../numerics/cutout";
import { fitInside } from "../numerics/resize";
import { encodePng } from "../output/png";
import { taskOf, type Backdrop, type Format, type Opened, type Rendered, type Settings } from "../settings";
import { contoursOf, rasterOf } from "./looks";
import { previewOf } from "./preview";

/** A computed map and the milliseconds that its network took; 0 if it was kept. */
interface Timed {
  readonly map: FloatMap;
  readonly ms: number;
}

export class Studio {
  private readonly files = new Map<number, Blob>();
  private readonly networks = new Map<string, Promise<Network>>();
  private readonly maps = new Map<string, FloatMap>();
  private current: { picture: number; pixels: Pixels } | null = null;
  private behind: { file: Blob; pixels: Pixels } | null = null;

  constructor(
    private readonly base: string,
    private readonly models: readonly Model[],
  ) {}

  async open(picture: number, file: Blob): Promise<Opened> {
    this.files.set(picture, file);
    try {
      const pixels = await this.pixels(picture);
      const { width, height } = pixels;
      return { width, height, preview: await previewOf({ ...pixels, channels: 3 }) };
    } catch (error) {
      this.files.delete(picture);
      throw error;
    }
  }

  close(picture: number): void {
    this.files.delete(picture);
    if (this.current?.picture === picture) this.forget();
  }

  async render(picture: number, settings: Settings, onTile: OnTile): Promise<Rendered> {
    const start = performance.now();
    const image = await this.pixels(picture);
    const decoded = performance.now();
    const { map, ms } = await this.map(picture, image, settings, onTile);
    const raster = rasterOf(image, map, settings, await this.background(settings.backdrop));
    const rest = performance.now() - decoded - ms;
    return {
      preview: await previewOf(raster),
      times: { decode: decoded - start, network: ms, rest },
      size: sizeOf(image, settings),
    };
  }

  async encode(
    picture: number,
    settings: Settings,
    format: Format,
    onTile: OnTile,
  ): Promise<Blob> {
    const image = await this.pixels(picture);
    const { map } = await this.map(picture, image, settings, onTile);
    if (format === "svg") {
      return new Blob([contoursOf(map, settings.threshold)], { type: "image/svg+xml" });
    }
    return encodePng(rasterOf(image, map, settings, await this.background(settings.backdrop)));
  }

  /** Loads a network ahead of the first picture that needs it. */
  async network(name: string): Promise<Network> {
    let network = this.networks.get(name);
    if (!network) {
      network = this.load(name);
      this.networks.set(name, network);
      network.catch(() => this.networks.delete(name)); // try again next time
    }
    return network;
  }

  private async load(name: string): Promise<Network> {
    const model = this.models.find((one) => one.name === name);
    if (!model) throw new Error(`The page has no model ${name}; reload it.`);
    const [weights] = await Promise.all([
      readWeights(model, this.base),
      loadRuntime(this.base),
      this.closeOther(model),
    ]);
    return new Network(model, await openNetwork(weights));
  }

  /** Keeps one network for each task, so that memory does not grow with every choice. */
  private async closeOther(model: Model): Promise<void> {
    for (const [name, network] of this.networks) {
      const task = this.models.find((one) => one.name === name)?.task;
      if (name === model.name || task !== model.task) continue;
      this.networks.delete(name);
      await (await network).close();
    }
  }

  private async pixels(picture: number): Promise<Pixels> {
    if (this.current?.picture === picture) return this.current.pixels;
    const file = this.files.get(picture);
    if (!file) throw new Error("The picture is closed; open it again.");
    this.forget();
    const pixels = await decode(file);
    this.current = { picture, pixels };
    return pixels;
  }

  private async map(
    picture: number,
    image: Pixels,
    settings: Settings,
    onTile: OnTile,
  ): Promise<Timed> {
    const key = `${picture} ${settings.model} ${settings.longest}`;
    const kept = this.maps.get(key);
    if (kept) return { map: kept, ms: 0 };
    const network = await this.network(settings.model);
    const start = performance.now();
    const map = await network.map(image, settings.longest, onTile);
    this.maps.set(key, map);
    return { map, ms: performance.now() - start };
  }

  private async background(backdrop: Backdrop): Promise<Background> {
    if (backdrop.kind !== "picture") return backdrop;
    if (this.behind?.file !== backdrop.file) {
      this.behind = { file: backdrop.file, pixels: await decode(backdrop.file) };
    }
    return { kind: "picture", pixels: this.behind.pixels };
  }

  private forget(): void {
    this.current = null;
    this.maps.clear();
  }
}

function sizeOf(image: Pixels, { look, longest }: Settings): string {
  const size = (width: number, height: number) => `${width} × ${height} px`;
  const seen = fitInside(image.width, image.height, longest ?? Infinity);
  const whole = size(image.width, image.height);
  return taskOf(look) === "saliency" || seen[0] === image.width
    ? whole
    : `${whole}, seen at ${size(...seen)}`;
}
