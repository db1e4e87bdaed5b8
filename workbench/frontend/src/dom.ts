// Making elements. Text goes into text nodes only: a name with script in it stays a name.

type Attributes = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;
type Child = Node | string | null | undefined | false;

let count = 0;
export const newId = (): string => `wb-${++count}-${Math.random().toString(36).slice(2, 7)}`;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child != null && child !== false));
  return element;
}

/** A drawing of one path, 16 by 16; decoration beside a word, so hidden from screen readers. */
export function icon(path: string): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [name, value] of Object.entries({ viewBox: "0 0 16 16", width: "16", height: "16", "aria-hidden": "true", class: "wb-icon" }))
    svg.setAttribute(name, value);
  for (const [name, value] of Object.entries({ d: path, fill: "none", stroke: "currentColor", "stroke-width": "1.5", "stroke-linecap": "round", "stroke-linejoin": "round" }))
    line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

export const icons = {
  add: "M8 3v10M3 8h10",
  remove: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5M6.8 7v3.5M9.2 7v3.5",
  edit: "M3 13h2.5L13 5.5 10.5 3 3 10.5zM9 4.5 11.5 7",
  refresh: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5v2.6h-2.6",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.4 10.4 14 14",
  clear: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  undo: "M5.5 3 2.5 6l3 3M2.5 6h7a3.75 3.75 0 0 1 0 7.5H6",
  more: "M2.5 4.5h11M4.5 8h7M6.5 11.5h3",
};

export function addStyle(id: string, text: string): void {
  const known = document.getElementById(id);
  if (known?.textContent === text) return;
  known?.remove();
  const style = make("style", { id });
  style.textContent = text;
  document.head.append(style);
}

/** Prepare a widget's element: our look, and no notebook shortcut for keys typed in it. */
export function dress(el: HTMLElement, ...names: string[]): void {
  el.classList.add("wb", ...names);
  el.dataset["lmSuppressShortcuts"] = "true";
}

/** Call `then` once the element is in the page and has a width: Voilà draws into a hidden div. */
export function whenWide(el: HTMLElement, then: () => void): () => void {
  const observer = new ResizeObserver(() => {
    if (!el.isConnected || el.offsetWidth === 0) return;
    observer.disconnect();
    then();
  });
  observer.observe(el);
  return () => observer.disconnect();
}

export function later(milliseconds: number, work: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds);
  };
}
