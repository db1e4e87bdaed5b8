// Keys that work wherever the focus is. In a notebook they have another meaning outside of our page.

const FIELDS = "input, textarea, select, [contenteditable]:not([contenteditable='false']), dialog";

export interface Shortcut {
  key: string;
  shift?: boolean;
  /** Whether it works in fields too, where most keys have a meaning of their own. */
  inFields?: boolean;
  run(): void;
}

/** Listen with Ctrl, or ⌘, for keys while `el` is in the page; returns how to stop. */
export function listen(el: HTMLElement, shortcuts: Shortcut[]): () => void {
  const heard = (event: KeyboardEvent) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.defaultPrevented) return;
    const target = event.target instanceof Element ? event.target : null;
    const meant = shortcuts.find(({ key, shift = false }) => key === event.key.toLowerCase() && shift === event.shiftKey);
    if (!meant || (target?.closest(FIELDS) && !(meant.inFields && !target.closest("dialog")))) return;
    const ours = document.body.dataset["state"] !== undefined || target?.closest(".wb-dashboard")?.contains(el);
    if (!ours) return;
    event.preventDefault();
    meant.run();
  };
  document.addEventListener("keydown", heard);
  return () => document.removeEventListener("keydown", heard);
}
