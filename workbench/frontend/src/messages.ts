// Toasts and dialogs: native <dialog>, role=status, and words only as text.
import { icon, icons, make, newId } from "./dom";
import { unturned } from "./values";

export interface ToastOptions {
  action?: { label: string; run: () => void };
  bad?: boolean;
  seconds?: number;
}

/** Say something for a while, as long as the pointer or the focus is on it; returns how to end it. */
export function toast(host: HTMLElement, text: string, { action, bad = false, seconds = action ? 12 : 5 }: ToastOptions = {}): () => void {
  let shelf = host.querySelector<HTMLElement>(":scope > .wb-toasts");
  if (!shelf) {
    shelf = make("div", { class: "wb-toasts", role: "status", "aria-live": "polite" });
    host.append(shelf);
  }
  const close = () => item.remove();
  const button = action && make("button", { type: "button", class: "wb-toast-action", click: () => (close(), action.run()) }, action.label);
  const item = make(
    "div",
    { class: bad ? "wb-toast wb-toast-bad" : "wb-toast", "data-testid": "toast" },
    make("span", {}, unturned(text)),
    button,
    make("button", { type: "button", class: "wb-toast-close", "aria-label": "Dismiss", click: close }, icon(icons.clear)),
  );
  const wait = () => setTimeout(close, seconds * 1000);
  let timer = wait();
  const hold = () => clearTimeout(timer);
  const release = () => {
    clearTimeout(timer);
    timer = wait();
  };
  item.addEventListener("mouseenter", hold);
  item.addEventListener("focusin", hold);
  item.addEventListener("mouseleave", release);
  item.addEventListener("focusout", release);
  shelf.append(item);
  return close;
}

export interface Button {
  label: string;
  value: string;
  style?: "primary" | "danger" | "plain";
}

/** Open a dialog and return the value of the button that closed it, "" if it was dismissed. */
export function ask(host: HTMLElement, title: string, body: (Node | string)[], buttons: Button[]): Promise<string> {
  return new Promise((answered) => {
    const id = newId();
    const dialog = make(
      "dialog",
      { class: "wb-dialog", "aria-labelledby": id, "data-testid": "dialog" },
      make("h2", { id }, title),
      ...body,
      make(
        "div",
        { class: "wb-dialog-buttons" },
        ...buttons.map(({ label, value, style = "plain" }) =>
          make("button", { type: "button", class: `wb-button wb-${style}`, "data-value": value, click: () => dialog.close(value) }, label),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      answered(dialog.returnValue);
    });
    host.append(dialog);
    dialog.showModal();
  });
}

/** Show two values of one field beside each other; what differs is for a person to decide. */
export function compare(title: string, mine: string, theirs: string): HTMLElement {
  const side = (heading: string, text: string, name: string) =>
    make("div", { class: `wb-side wb-side-${name}`, "data-testid": `value-${name}` }, make("h4", {}, heading), make("div", { class: "wb-side-value" }, text || "(empty)"));
  return make("section", { class: "wb-compare" }, make("h3", {}, title), make("div", { class: "wb-sides" }, side("Yours", mine, "mine"), side("Stored now", theirs, "theirs")));
}
