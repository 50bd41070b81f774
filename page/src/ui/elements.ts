/** Access to the elements of index.html. */

/** Returns the element with this id; a wrong id or class is a mistake in the page. */
export function byId<T extends HTMLElement>(id: string, kind: { new (): T }): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`#${id} is not a ${kind.name}`);
  return found;
}

/** Calls `act` when any element that matches the selector is clicked. */
export function onClick(selector: string, act: (element: HTMLElement) => void): void {
  for (const element of document.querySelectorAll<HTMLElement>(selector)) {
    element.addEventListener("click", () => act(element));
  }
}
