// Outputs of cells, and ipywidgets' Output widget.
import { DOMWidgetModel, DOMWidgetView } from "@jupyter-widgets/base";
import type { Message } from "./kernel";
import type { Manager } from "./manager";

export const WIDGET = "application/vnd.jupyter.widget-view+json";
export const PAGE = "application/vnd.workbench.page+json";
const COLOUR_CODES = /\x1b\[[0-9;]*m/g;

export interface Output {
  output_type: string;
  name?: string;
  text?: string;
  ename?: string;
  evalue?: string;
  traceback?: string[];
  data?: Record<string, any>;
}

let described = false;

// A cell may show `{PAGE: {"title": "…", "query": "world=…"}}` to name the page and give it an address.
// Each address after the first is one to come back to.
export function describePage(page: { title?: string; query?: string }): void {
  if (page.title !== undefined) document.title = page.title;
  if (page.query !== undefined) {
    const address = location.pathname + (page.query ? `?${page.query}` : "");
    if (!described) history.replaceState(null, "", address + location.hash);
    else if (address !== location.pathname + location.search) history.pushState(null, "", address);
    described = true;
  }
}

function text(content: string, className: string): HTMLElement {
  return Object.assign(document.createElement("pre"), { className, textContent: content.replace(COLOUR_CODES, "") });
}

function joined(value: unknown): string {
  return Array.isArray(value) ? value.join("") : String(value);
}

export async function show(output: Output, manager: Manager, into: HTMLElement): Promise<void> {
  if (output.output_type === "stream") {
    into.append(text(joined(output.text), output.name === "stderr" ? "stream stderr" : "stream"));
  } else if (output.output_type === "error") {
    into.append(text(`${output.ename}: ${output.evalue}`, "stream stderr"));
  } else if (output.data) {
    await showData(output.data, manager, into);
  }
}

async function showData(data: Record<string, any>, manager: Manager, into: HTMLElement): Promise<void> {
  const picture = ["image/png", "image/jpeg"].find((kind) => kind in data);
  if (PAGE in data) {
    describePage(data[PAGE]);
  } else if (WIDGET in data) {
    const place = into.appendChild(document.createElement("div"));
    await manager.show(data[WIDGET].model_id, place);
  } else if (picture) {
    const image = new Image();
    image.src = `data:${picture};base64,${joined(data[picture]).replaceAll("\n", "")}`;
    image.alt = joined(data["text/plain"] ?? "");
    into.append(image);
  } else if ("text/html" in data) {
    // Made by the notebook's code. No script in it runs: the page's policy allows none.
    const place = into.appendChild(document.createElement("div"));
    place.className = "html";
    place.innerHTML = joined(data["text/html"]);
  } else if ("text/plain" in data) {
    into.append(text(joined(data["text/plain"]), "stream"));
  }
}

// While `msg_id` is set, what that message's code prints belongs to the widget.
export class OutputModel extends DOMWidgetModel {
  private clearFirst = false;

  override defaults(): any {
    return {
      ...super.defaults(),
      _model_name: "OutputModel",
      _view_name: "OutputView",
      _model_module: "@jupyter-widgets/output",
      _view_module: "@jupyter-widgets/output",
      msg_id: "",
      outputs: [],
    };
  }

  override initialize(attributes: any, options: any): void {
    super.initialize(attributes, options);
    const manager = this.widget_manager as unknown as Manager;
    manager.captures.add(this);
    this.once("destroy comm:close", () => manager.captures.delete(this));
  }

  captures(message: Message): boolean {
    const id = this.get("msg_id");
    return Boolean(id) && id === message.parent_header.msg_id;
  }

  take(message: Message): void {
    const type = message.header.msg_type;
    if (type === "clear_output") {
      if (message.content.wait) this.clearFirst = true;
      else this.replace([]);
      return;
    }
    const outputs: Output[] = this.clearFirst ? [] : [...this.get("outputs")];
    this.clearFirst = false;
    const last = outputs[outputs.length - 1];
    const fresh: Output = { output_type: type, ...message.content };
    if (type === "stream" && last?.output_type === "stream" && last.name === fresh.name) {
      outputs[outputs.length - 1] = { ...last, text: joined(last.text) + joined(fresh.text) };
    } else {
      outputs.push(fresh);
    }
    this.replace(outputs);
  }

  private replace(outputs: Output[]): void {
    this.set("outputs", outputs);
    this.save_changes();
  }
}

export class OutputView extends DOMWidgetView {
  private turn = 0;

  override render(): void {
    super.render();
    this.el.classList.add("jupyter-widgets-output-area");
    this.listenTo(this.model, "change:outputs", () => void this.draw());
    void this.draw();
  }

  private async draw(): Promise<void> {
    const turn = ++this.turn;
    // In the document first: widgets want to know their size.
    const fresh = document.createElement("div");
    this.el.replaceChildren(fresh);
    for (const output of this.model.get("outputs") as Output[]) {
      if (turn !== this.turn) return;
      await show(output, this.model.widget_manager as unknown as Manager, fresh);
    }
  }
}
