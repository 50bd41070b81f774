/** Messages about what did not work; they stay until they are closed or the next one replaces them. */

import { byId } from "./elements";

const MOST = 3;

export function alertUser(message: string): void {
  const list = byId("alerts", HTMLDivElement);
  const item = document.createElement("div");
  const text = document.createElement("span");
  text.textContent = message;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "quiet";
  close.textContent = "Close";
  close.addEventListener("click", () => item.remove());
  item.append(text, close);
  list.append(item);
  while (list.childElementCount > MOST) list.firstElementChild?.remove();
}

export function clearAlerts(): void {
  byId("alerts", HTMLDivElement).replaceChildren();
}
