// An ARIA combobox whose choices are searched where the records are.
// https://www.w3.org/WAI/ARIA/apg/patterns/combobox/ (editable, list autocomplete, manual selection)
import { icon, icons, later, make, newId } from "./dom";
import { unturned } from "./values";
import type { Choice } from "./wire";

export interface ComboboxOptions {
  label: string;
  value: string | null;
  text: string;
  placeholder?: string;
  clearable: boolean;
  /** Show choices above the ones found, such as "(empty)" in a filter. */
  fixed?: Choice[];
  testId?: string;
  /** Enter takes the first choice even before it has come: for who types faster than that. */
  eager?: boolean;
  find(term: string): Promise<Choice[]>;
  chosen(choice: Choice | null): void;
}

const SEARCH_DELAY_MILLISECONDS = 180;

export class Combobox {
  readonly element: HTMLDivElement;
  readonly input: HTMLInputElement;
  value: string | null;
  text: string;
  private readonly list: HTMLUListElement;
  private readonly note: HTMLDivElement;
  private readonly clear: HTMLButtonElement;
  private choices: Choice[] = [];
  private at = -1;
  private asked = 0;
  private opened = false;
  private awaited = false;
  private entered = false;

  constructor(private readonly options: ComboboxOptions) {
    this.value = options.value;
    this.text = options.text;
    const id = newId();
    const search = later(SEARCH_DELAY_MILLISECONDS, () => void this.search(this.input.value));
    this.input = make("input", {
      role: "combobox",
      type: "text",
      autocomplete: "off",
      spellcheck: "false",
      "aria-label": options.label,
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": id,
      "data-testid": options.testId,
      placeholder: options.placeholder ?? "Search…",
      input: () => {
        this.awaited = true;
        search();
      },
      focus: () => this.input.select(),
      click: () => this.open(),
      keydown: (event: KeyboardEvent) => this.key(event),
      blur: () => this.left(),
    });
    this.input.value = this.text;
    this.list = make("ul", { role: "listbox", id, "aria-label": options.label, class: "wb-choices" });
    this.note = make("div", { role: "status", class: "wb-choices-note" });
    this.clear = make(
      "button",
      { type: "button", class: "wb-clear", "aria-label": `Clear ${options.label}`, tabindex: -1, mousedown: (e: Event) => e.preventDefault(), click: () => this.choose(null) },
      icon(icons.clear),
    );
    const panel = make("div", { class: "wb-choices-panel", popover: "manual", mousedown: (e: Event) => this.pressed(e) }, this.list, this.note);
    this.element = make("div", { class: "wb-combobox" }, this.input, this.clear, panel);
    this.showClear();
  }

  /** Set from outside, without telling anybody. */
  set(value: string | null, text: string): void {
    this.value = value;
    this.text = text;
    this.input.value = text;
    this.showClear();
  }

  open(): void {
    if (this.opened) return;
    this.opened = true;
    this.input.setAttribute("aria-expanded", "true");
    this.panel.showPopover?.();
    this.place();
    void this.search(this.input.value === this.text ? "" : this.input.value);
  }

  close(): void {
    if (!this.opened) return;
    this.opened = false;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    if (this.panel.isConnected) this.panel.hidePopover?.();
  }

  get isOpen(): boolean {
    return this.opened;
  }

  private get panel(): HTMLElement {
    return this.list.parentElement as HTMLElement;
  }

  // A popover lies above everything, whatever scrolls or clips around the field.
  private place(): void {
    const field = this.input.getBoundingClientRect();
    const width = Math.max(field.width, Math.min(280, innerWidth - 16));
    const below = innerHeight - field.bottom;
    const up = below < 220 && field.top > below;
    Object.assign(this.panel.style, {
      width: `${width}px`,
      left: `${Math.max(8, Math.min(field.left, innerWidth - width - 8))}px`,
      top: up ? "auto" : `${field.bottom + 4}px`,
      bottom: up ? `${innerHeight - field.top + 4}px` : "auto",
      maxHeight: `${Math.min(320, (up ? field.top : below) - 12)}px`,
    });
  }

  private async search(term: string): Promise<void> {
    if (!this.opened) return this.open();
    const ask = ++this.asked;
    this.note.textContent = this.choices.length ? "" : "Searching…";
    try {
      const found = await this.options.find(term);
      if (ask !== this.asked) return;
      this.choices = [...(term ? [] : (this.options.fixed ?? [])), ...found];
      this.note.textContent = this.choices.length ? "" : "Nothing found.";
    } catch (why) {
      if (ask !== this.asked) return;
      this.choices = [];
      this.note.textContent = (why as Error).message;
    }
    this.list.replaceChildren(...this.choices.map((choice, index) => this.item(choice, index)));
    this.move(term && this.choices.length ? 0 : -1);
    if (term !== this.input.value) return; // more was typed meanwhile
    this.awaited = false;
    const first = this.choices[0];
    if (this.entered && first) this.choose(first);
    this.entered = false;
  }

  private item(choice: Choice, index: number): HTMLLIElement {
    const shown = choice.detail ? make("small", {}, unturned(choice.detail)) : null;
    return make("li", { role: "option", id: `${this.list.id}-${index}`, "data-index": index, "aria-selected": "false" }, make("span", {}, unturned(choice.label)), shown);
  }

  private move(to: number): void {
    this.at = Math.max(-1, Math.min(to, this.choices.length - 1));
    [...this.list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === this.at)));
    const item = this.list.children[this.at];
    if (!item) return this.input.removeAttribute("aria-activedescendant");
    this.input.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  private key(event: KeyboardEvent): void {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      event.stopPropagation();
      if (!this.opened) return this.open();
      this.move(this.at + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter" && this.opened) {
      const choice = this.choices[this.at];
      if (this.options.eager && this.awaited) this.entered = true;
      else if (choice) this.choose(choice);
      else if (this.input.value.trim() === "" && this.options.clearable) this.choose(null);
      event.preventDefault();
    } else if (event.key === "Escape" && this.opened) {
      event.stopPropagation();
      event.preventDefault();
      this.close();
      this.input.value = this.text;
    }
  }

  private pressed(event: Event): void {
    event.preventDefault(); // the focus stays in the field
    const item = (event.target as Element).closest("li");
    const choice = this.choices[Number(item?.dataset["index"])];
    if (item && choice) this.choose(choice);
  }

  private choose(choice: Choice | null): void {
    this.set(choice?.value ?? null, choice?.label ?? "");
    this.close();
    this.options.chosen(choice);
  }

  // What was typed but not chosen is no record: emptied text clears, other text goes back.
  private left(): void {
    this.close();
    if (this.input.value.trim() === "" && this.value !== null && this.options.clearable) this.choose(null);
    else this.input.value = this.text;
  }

  private showClear(): void {
    this.clear.hidden = !this.options.clearable || this.value === null || this.input.disabled;
  }
}
