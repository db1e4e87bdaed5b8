// A tree in the pattern of https://www.w3.org/WAI/ARIA/apg/patterns/treeview/ (single selection).
// Only what is open is drawn, and of long lists only the first part, so thousands cost nothing.
import baseCss from "./base.css";
import { addStyle, dress, make } from "./dom";
import outlineCss from "./outline.css";
import { openRpc, type Rpc } from "./rpc";
import type { Context, Model } from "./wire";

interface Node {
  id: string;
  label: string;
  kind: string;
  detail: string;
  children: Node[] | null;
}

const DRAWN_AT_ONCE = 200;
const FIND_MILLISECONDS = 600;

class Tree {
  private readonly root = make("ul", { role: "tree", class: "wb-tree", "data-testid": "outline", keydown: (event: KeyboardEvent) => this.key(event), click: (event: Event) => this.clicked(event) });
  private readonly note = make("div", { class: "wb-outline-note", role: "status" });
  private readonly nodes = new Map<string, Node>();
  private readonly items = new Map<string, HTMLLIElement>();
  private opened: Set<string>;
  /** Of long lists, how much was drawn: "" is the top. */
  private readonly drawn = new Map<string, number>();
  private typed = "";
  private typedAt = 0;

  constructor(private readonly model: Model, private readonly el: HTMLElement, private readonly rpc: Rpc) {
    this.opened = new Set(model.get<string[]>("opened"));
    this.root.setAttribute("aria-label", model.get<string>("description"));
    el.style.maxHeight = model.get<string>("height");
    el.append(this.root, this.note);
    this.draw();
  }

  draw(): void {
    const focused = this.root.contains(document.activeElement);
    const scrolled = this.el.scrollTop;
    const at = this.root.querySelector<HTMLElement>('[tabindex="0"]')?.dataset["id"];
    this.nodes.clear();
    this.items.clear();
    const nodes = this.model.get<Node[]>("nodes");
    this.root.replaceChildren();
    this.fill(this.root, nodes, 1);
    this.note.textContent = nodes.length ? "" : this.model.get<string>("empty");
    const chosen = this.items.get(at ?? "") ?? this.items.get(this.model.get<string>("selected")) ?? this.visible()[0];
    if (chosen) this.enter(chosen, focused);
    this.el.scrollTop = scrolled;
  }

  select(): void {
    const id = this.model.get<string>("selected");
    for (const [other, item] of this.items) item.setAttribute("aria-selected", String(other === id));
    const item = this.items.get(id);
    if (item) this.enter(item, false);
  }

  private fill(list: HTMLElement, nodes: Node[], level: number, from = 0): void {
    list.querySelector(":scope > .wb-tree-more")?.remove();
    const above = list.parentElement?.dataset["id"] ?? "";
    const upto = Math.max(from + DRAWN_AT_ONCE, this.drawn.get(above) ?? 0);
    this.drawn.set(above, upto);
    const part = nodes.slice(from, upto);
    list.append(...part.map((node, index) => this.item(node, level, from + index + 1, nodes.length)));
    const left = nodes.length - from - part.length;
    if (left <= 0) return;
    const more = make("li", { role: "treeitem", class: "wb-tree-more", tabindex: -1, "aria-level": level }, make("div", { class: "wb-tree-row" }, `Show ${Math.min(left, DRAWN_AT_ONCE)} of ${left} more…`));
    more.addEventListener("wb-more", () => {
      this.fill(list, nodes, level, upto);
      const next = list.children[upto] as HTMLLIElement | undefined;
      if (next) this.enter(next, true);
    });
    list.append(more);
  }

  private item(node: Node, level: number, place: number, of: number): HTMLLIElement {
    this.nodes.set(node.id, node);
    const folds = node.children === null || node.children.length > 0;
    const row = make(
      "div",
      { class: "wb-tree-row" },
      make("span", { class: folds ? "wb-twist" : "wb-twist wb-leaf", "aria-hidden": "true" }),
      make("span", { class: "wb-tree-label" }, node.label),
      node.detail ? make("span", { class: "wb-tree-detail" }, node.detail) : null,
      node.kind ? make("span", { class: "wb-tree-kind" }, node.kind) : null,
    );
    row.style.setProperty("--wb-level", String(level));
    const item = make("li", { role: "treeitem", tabindex: -1, "data-id": node.id, "aria-level": level, "aria-posinset": place, "aria-setsize": of, "aria-selected": String(node.id === this.model.get<string>("selected")), "aria-expanded": folds ? "false" : null }, row);
    this.items.set(node.id, item);
    if (folds && this.opened.has(node.id)) void this.open(item, node);
    return item;
  }

  private async open(item: HTMLLIElement, node: Node): Promise<void> {
    item.setAttribute("aria-expanded", "true");
    this.remember(node.id, true);
    if (node.children === null) {
      item.setAttribute("aria-busy", "true");
      try {
        node.children = await this.rpc.call<Node[]>("children", { id: node.id });
      } catch (why) {
        this.note.textContent = (why as Error).message;
        this.close(item, node);
        return;
      } finally {
        item.removeAttribute("aria-busy");
      }
    }
    if (item.querySelector(":scope > ul")) return;
    const list = make("ul", { role: "group" });
    item.append(list);
    this.fill(list, node.children, Number(item.getAttribute("aria-level")) + 1);
  }

  private close(item: HTMLLIElement, node: Node): void {
    const held = item.querySelector(":scope > ul")?.contains(document.activeElement);
    item.setAttribute("aria-expanded", "false");
    item.querySelector(":scope > ul")?.remove();
    this.remember(node.id, false);
    if (held) this.enter(item, true);
  }

  private remember(id: string, open: boolean): void {
    if (this.opened.has(id) === open) return;
    if (open) this.opened.add(id);
    else this.opened.delete(id);
    this.model.set("opened", [...this.opened]);
    this.model.save_changes();
  }

  private toggle(item: HTMLLIElement): void {
    const node = this.nodes.get(item.dataset["id"] ?? "");
    if (!node || !item.hasAttribute("aria-expanded")) return;
    if (item.getAttribute("aria-expanded") === "true") this.close(item, node);
    else void this.open(item, node);
  }

  private choose(item: HTMLLIElement): void {
    if (item.classList.contains("wb-tree-more")) return void item.dispatchEvent(new Event("wb-more"));
    this.model.set("selected", item.dataset["id"] ?? "");
    this.model.save_changes();
    this.select();
  }

  private enter(item: HTMLLIElement, focus: boolean): void {
    this.root.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    item.tabIndex = 0;
    if (!focus) return;
    item.focus();
    item.firstElementChild?.scrollIntoView({ block: "nearest" });
  }

  private visible(): HTMLLIElement[] {
    return [...this.root.querySelectorAll<HTMLLIElement>('[role="treeitem"]')];
  }

  private clicked(event: Event): void {
    const target = event.target as Element;
    const item = target.closest<HTMLLIElement>('[role="treeitem"]');
    if (!item) return;
    this.enter(item, true);
    if (target.classList.contains("wb-twist")) this.toggle(item);
    else this.choose(item);
  }

  private key(event: KeyboardEvent): void {
    const item = (event.target as Element).closest<HTMLLIElement>('[role="treeitem"]');
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = this.visible();
    const at = all.indexOf(item);
    const expanded = item.getAttribute("aria-expanded");
    const to = (next: HTMLLIElement | null | undefined) => next && this.enter(next, true);
    if (event.key === "ArrowDown") to(all[at + 1]);
    else if (event.key === "ArrowUp") to(all[at - 1]);
    else if (event.key === "Home") to(all[0]);
    else if (event.key === "End") to(all[all.length - 1]);
    else if (event.key === "ArrowRight") expanded === "false" ? this.toggle(item) : expanded === "true" && to(all[at + 1]);
    else if (event.key === "ArrowLeft") expanded === "true" ? this.toggle(item) : to(item.parentElement?.closest<HTMLLIElement>('[role="treeitem"]'));
    else if (event.key === "Enter" || event.key === " ") this.choose(item);
    else if (event.key.length === 1) to(this.find(event.key, all, at));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private find(letter: string, all: HTMLLIElement[], at: number): HTMLLIElement | undefined {
    const now = performance.now();
    this.typed = (now - this.typedAt < FIND_MILLISECONDS ? this.typed : "") + letter.toLowerCase();
    this.typedAt = now;
    const start = this.typed.length > 1 ? at : at + 1;
    const turned = [...all.slice(start), ...all.slice(0, start)];
    return turned.find((item) => this.nodes.get(item.dataset["id"] ?? "")?.label.toLowerCase().startsWith(this.typed));
  }
}

export default {
  render({ model, el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    addStyle("wb-outline-style", outlineCss);
    dress(el, "wb-outline");
    const rpc = openRpc(model);
    const tree = new Tree(model, el, rpc);
    const draw = () => tree.draw();
    const select = () => tree.select();
    model.on("change:nodes", draw);
    model.on("change:selected", select);
    return () => {
      model.off("change:nodes", draw);
      model.off("change:selected", select);
      rpc.close();
    };
  },
};
