/** Dark and light: the system's choice, until the switch is used. */

import { byId } from "./elements";

const KEY = "featheredge-theme";

export function setUpTheme(): void {
  const button = byId("theme", HTMLButtonElement);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const stored = localStorage.getItem(KEY);
  if (stored) root.dataset["theme"] = stored;
  const isDark = () => (root.dataset["theme"] ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => button.setAttribute("aria-pressed", String(isDark()));
  button.addEventListener("click", () => {
    root.dataset["theme"] = isDark() ? "light" : "dark";
    localStorage.setItem(KEY, root.dataset["theme"]);
    show();
  });
  system.addEventListener("change", show);
  show();
}
