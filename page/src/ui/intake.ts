/** The ways in: open, drop, paste and the examples. All give files. */

import cat from "../../../examples/cat.jpg?url";
import coffee from "../../../examples/coffee.jpg?url";
import { byId, onClick } from "./elements";

const EXAMPLES: Record<string, string> = { cat, coffee };

export function setUpIntake(open: (files: File[]) => void): void {
  setUpChooser(open);
  setUpDrop(open);
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) open(files);
  });
  setUpExamples(open);
}

function setUpChooser(open: (files: File[]) => void): void {
  const chooser = byId("files", HTMLInputElement);
  onClick("[data-open]", () => chooser.click());
  chooser.addEventListener("change", () => {
    open([...(chooser.files ?? [])]);
    chooser.value = ""; // so that the same file can be opened again
  });
}

/** The whole page takes drops. */
function setUpDrop(open: (files: File[]) => void): void {
  const hint = byId("drop-hint", HTMLDivElement);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    hint.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) hint.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    hint.hidden = true;
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length) open(files);
  });
}

function setUpExamples(open: (files: File[]) => void): void {
  onClick("[data-example]", async (button) => {
    const address = EXAMPLES[button.dataset["example"] ?? ""];
    const picture = await (await fetch(address)).blob();
    open([new File([picture], `${button.dataset["example"]}.jpg`, { type: picture.type })]);
  });
  for (const button of document.querySelectorAll<HTMLElement>("[data-example]")) {
    button.querySelector("img")!.src = EXAMPLES[button.dataset["example"] ?? ""];
  }
}
