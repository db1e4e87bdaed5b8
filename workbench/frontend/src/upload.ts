// Files dropped or chosen, sent to the kernel a piece at a time; and what each is taken for.
import baseCss from "./base.css";
import { addStyle, dress, icon, icons, make, newId } from "./dom";
import { openRpc, type Rpc } from "./rpc";
import { bytesOf } from "./sizes";
import uploadCss from "./upload.css";
import { unturned } from "./values";
import type { Context, Model } from "./wire";

interface Column {
  header: string;
  means: string | null;
  near: string | null;
}

interface Look {
  name: string;
  table: string | null;
  columns: Column[];
  choices: string[];
  problems: string[];
  notes: string[];
}

interface Here {
  key: string;
  name: string;
  size: number;
  /** Columns that somebody has said what they stand for. */
  told: string[];
  looks: Look[];
}

/** A file on its way, or one that could not come. */
interface Sending {
  file: File;
  key: string;
  sent: number;
  problem: string;
  ended: boolean;
}

const AS_ATTRIBUTE = "";
const DROP = "M8 10.5V3M4.8 6 8 2.8 11.2 6M3 10.5v2.7h10v-2.7";

class Upload {
  private readonly input: HTMLInputElement;
  private readonly zone: HTMLElement;
  private readonly button: HTMLButtonElement;
  private readonly list = make("ul", { class: "wb-files", "data-testid": "files" });
  private readonly said = make("div", { class: "wb-unseen", role: "status" });
  private sending: Sending[] = [];
  private working = false;

  constructor(
    private readonly model: Model,
    el: HTMLElement,
    private readonly rpc: Rpc,
  ) {
    this.input = make("input", { type: "file", multiple: true, accept: model.get<string>("accept"), hidden: true, "data-testid": "file-input", change: () => this.chosen() });
    this.button = make("button", { type: "button", class: "wb-button wb-primary", click: () => this.input.click() }, "Choose files…");
    this.zone = make(
      "div",
      { class: "wb-drop", "data-testid": "drop" },
      icon(DROP),
      make("p", {}, make("strong", {}, "Drop files here"), " or ", this.button),
      make("p", { class: "wb-help" }, model.get<string>("note")),
      this.input,
    );
    el.append(this.zone, this.list, this.said);
    this.draw();
  }

  get busy(): boolean {
    return this.model.get<boolean>("busy");
  }

  hover(over: boolean): void {
    this.zone.classList.toggle("wb-over", over && !this.busy);
  }

  take(files: Iterable<File>): void {
    if (this.busy) return;
    for (const file of files) {
      this.sending = this.sending.filter((one) => !one.ended || one.file.name !== file.name);
      this.sending.push({ file, key: "", sent: 0, problem: "", ended: false });
    }
    this.draw();
    void this.work();
  }

  private chosen(): void {
    this.take([...(this.input.files ?? [])]);
    this.input.value = ""; // the same file may be chosen again, once it is mended
  }

  /** Send one file after the other, and of each one piece after the other. */
  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    for (let next = this.next(); next; next = this.next()) await this.send(next);
    this.working = false;
  }

  private next(): Sending | undefined {
    return this.sending.find((one) => !one.ended);
  }

  private async send(one: Sending): Promise<void> {
    const { file } = one;
    const piece = this.model.get<number>("piece_bytes");
    try {
      one.key = (await this.rpc.call<{ key: string }>("begin", { name: file.name, size: file.size })).key;
      while (one.sent < file.size && !one.ended) {
        const bytes = await read(file, one.sent, piece);
        await this.rpc.call("piece", { key: one.key, offset: one.sent }, bytes);
        one.sent += bytes.byteLength;
        this.progress(one);
      }
      if (one.ended) return;
      await this.rpc.call("end", { key: one.key });
      this.sending = this.sending.filter((other) => other !== one);
      this.said.textContent = `${unturned(file.name)} is here.`;
    } catch (why) {
      if (one.ended) return;
      one.problem = (why as Error).message;
      this.said.textContent = one.problem;
      if (one.key) void this.rpc.call("drop", { key: one.key }).catch(() => {});
    }
    one.ended = true;
    this.draw();
  }

  private progress(one: Sending): void {
    const bar = this.list.querySelector<HTMLProgressElement>(`[data-sending="${this.sending.indexOf(one)}"] progress`);
    if (bar) bar.value = one.sent;
    else this.draw();
  }

  private cancel(one: Sending): void {
    one.ended = true;
    this.sending = this.sending.filter((other) => other !== one);
    if (one.key) void this.rpc.call("drop", { key: one.key }).catch(() => {});
    this.draw();
    this.button.focus();
  }

  draw(): void {
    const held = (document.activeElement as HTMLElement | null)?.dataset["field"];
    this.button.disabled = this.busy;
    this.zone.classList.toggle("wb-off", this.busy);
    this.list.replaceChildren(
      ...this.model.get<Here[]>("files").map((file) => this.here(file)),
      ...this.sending.map((one, place) => this.underWay(one, place)),
    );
    if (held) this.list.querySelector<HTMLElement>(`[data-field="${CSS.escape(held)}"]`)?.focus();
  }

  private underWay(one: Sending, place: number): HTMLElement {
    const name = unturned(one.file.name);
    const bar = make("progress", { max: one.file.size || 1, value: one.sent, "aria-label": `Sending ${name}` });
    return make(
      "li",
      { class: "wb-file", "data-sending": place },
      this.head(name, one.file.size, `${one.problem ? "Remove" : "Cancel"} ${name}`, () => this.cancel(one)),
      one.problem ? make("p", { class: "wb-problem", "data-testid": "file-problem" }, unturned(one.problem)) : bar,
    );
  }

  private here(file: Here): HTMLElement {
    const name = unturned(file.name);
    const drop = () => {
      this.ask("drop", { key: file.key });
      this.button.focus();
    };
    return make("li", { class: "wb-file", "data-testid": "file" }, this.head(name, file.size, `Remove ${name}`, drop), ...file.looks.map((look) => this.look(file, look)));
  }

  private head(name: string, bytes: number, label: string, run: () => void): HTMLElement {
    const button = make("button", { type: "button", class: "wb-button wb-square wb-small", title: label, "aria-label": label, disabled: this.busy, click: run }, icon(icons.clear));
    return make("div", { class: "wb-file-head" }, make("strong", {}, name), make("span", { class: "wb-help" }, bytesOf(bytes)), button);
  }

  private look(file: Here, look: Look): HTMLElement {
    const known = look.columns.filter(({ header, means }) => means && plain(header) === means);
    const aliases = look.columns.filter(({ header, means }) => means && plain(header) !== means && !file.told.includes(header));
    const said = [...known.map(({ header }) => header), ...aliases.map(({ header, means }) => `${header} (${means})`)];
    // What somebody has said a column stands for can be said otherwise.
    const asked = look.columns.filter(({ header, means }) => means === AS_ATTRIBUTE || file.told.includes(header));
    const unknown = asked.some(({ means }) => means === AS_ATTRIBUTE);
    return make(
      "div",
      { class: "wb-look", "data-testid": "look" },
      look.name === file.name ? null : make("p", {}, make("strong", {}, unturned(look.name))),
      this.tables(file, look),
      look.table && said.length ? make("p", { class: "wb-help" }, `Recognised: ${unturned(said.join(", "))}`) : null,
      ...look.problems.map((text) => make("p", { class: "wb-problem" }, unturned(text))),
      unknown ? make("p", {}, "These columns are not known. Say what they stand for, or leave them as attributes:") : null,
      asked.length ? make("div", { class: "wb-mapping" }, ...asked.map((column) => this.column(file, look, column))) : null,
      ...look.notes.map((text) => make("p", { class: "wb-help" }, unturned(text))),
    );
  }

  private tables(file: Here, look: Look): HTMLElement {
    const id = newId();
    const tables = this.model.get<string[]>("tables");
    const options = tables.map((name) => make("option", { value: name, selected: name === look.table }, name.replaceAll("_", " ")));
    const none = look.table ? null : make("option", { value: "", selected: true }, "Choose…");
    const changed = (event: Event) => this.ask("table", { key: file.key, table: (event.target as HTMLSelectElement).value });
    return make(
      "div",
      { class: "wb-field wb-line" },
      make("label", { for: id }, "Rows are"),
      make("select", { id, disabled: this.busy, change: changed, "data-field": `${file.key}/table/${look.name}` }, none, ...options),
    );
  }

  private column(file: Here, look: Look, column: Column): HTMLElement {
    const id = newId();
    const taken = new Set(look.columns.map(({ means }) => means));
    const option = (name: string) => make("option", { value: name, selected: name === column.means }, name === column.near ? `${name} (perhaps)` : name);
    const free = look.choices.filter((name) => name === column.means || !taken.has(name));
    const first = free.filter((name) => name === column.near);
    const rest = free.filter((name) => name !== column.near);
    const changed = (event: Event) => this.ask("column", { key: file.key, header: column.header, name: (event.target as HTMLSelectElement).value });
    return make(
      "div",
      { class: "wb-field" },
      make("label", { for: id }, unturned(column.header)),
      make("select", { id, disabled: this.busy, change: changed, "data-field": `${file.key}/${column.header}` }, make("option", { value: AS_ATTRIBUTE }, "an attribute"), ...first.map(option), ...rest.map(option)),
    );
  }

  private ask(op: string, args: object): void {
    void this.rpc.call(op, args).catch((why: Error) => (this.said.textContent = why.message));
  }
}

const plain = (header: string): string => header.trim().toLowerCase().replace(/[\s_-]+/g, "_");

async function read(file: File, from: number, most: number): Promise<ArrayBuffer> {
  try {
    return await file.slice(from, from + most).arrayBuffer();
  } catch {
    throw new Error(`${file.name}: the browser cannot read it. If it is a folder, choose the files in it.`);
  }
}

/** Drops anywhere on our own page are meant for it; in a notebook, those on the widget. */
function watchDrops(el: HTMLElement, upload: Upload): () => void {
  const where: HTMLElement | Document = document.getElementById("page-kernel") ? document : el;
  const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files");
  const over = (event: Event) => {
    if (!holdsFiles(event as DragEvent)) return;
    event.preventDefault();
    upload.hover(true);
  };
  const leave = (event: Event) => {
    if (!(event as DragEvent).relatedTarget) upload.hover(false);
  };
  const drop = (event: Event) => {
    if (!holdsFiles(event as DragEvent)) return;
    event.preventDefault();
    upload.hover(false);
    upload.take([...((event as DragEvent).dataTransfer?.files ?? [])]);
  };
  const events: [string, (event: Event) => void][] = [["dragover", over], ["dragleave", leave], ["drop", drop]];
  for (const [name, run] of events) where.addEventListener(name, run);
  return () => {
    for (const [name, run] of events) where.removeEventListener(name, run);
  };
}

export default {
  render({ model, el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    addStyle("wb-upload-style", uploadCss);
    dress(el, "wb-upload");
    const rpc = openRpc(model);
    const upload = new Upload(model, el, rpc);
    const stop = watchDrops(el, upload);
    const draw = () => upload.draw();
    model.on("change:files", draw);
    model.on("change:busy", draw);
    return () => {
      stop();
      model.off("change:files", draw);
      model.off("change:busy", draw);
      rpc.close();
    };
  },
};
