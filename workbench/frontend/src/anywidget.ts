// anywidget's contract in the page: its model and view, without its lab extension.
// https://anywidget.dev/en/afm/
import { DOMWidgetModel, DOMWidgetView } from "@jupyter-widgets/base";

type Cleanup = void | (() => unknown);
type Hook = (context: Record<string, unknown>) => Cleanup | Promise<Cleanup>;
interface Definition {
  initialize?: Hook;
  render?: Hook;
}

function isAddress(text: string): boolean {
  return /^(https?:\/\/|\/)\S+$/.test(text);
}

// One import for each front end, however many widgets use it.
const modules = new Map<string, Promise<Definition>>();

async function load(esm: string): Promise<Definition> {
  const address = isAddress(esm)
    ? new URL(esm, location.href).href
    : URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
  const module = await import(address);
  if (!module.default) return { render: module.render };
  return typeof module.default === "function" ? module.default() : module.default;
}

function definition(esm: string): Promise<Definition> {
  let loaded = modules.get(esm);
  if (!loaded) {
    loaded = load(esm);
    modules.set(esm, loaded);
  }
  return loaded;
}

function addStyle(css: string, id: string): void {
  const key = `anywidget-${id}`;
  if (!css || document.getElementById(key)) return;
  if (isAddress(css)) {
    document.head.append(Object.assign(document.createElement("link"), { id: key, rel: "stylesheet", href: css }));
  } else {
    document.head.append(Object.assign(document.createElement("style"), { id: key, textContent: css }));
  }
}

// What a front end sees of its model; `context` groups its listeners so that they end with it.
function facade(model: DOMWidgetModel, context: unknown): Record<string, unknown> {
  return {
    get: model.get.bind(model),
    set: model.set.bind(model),
    save_changes: model.save_changes.bind(model),
    send: model.send.bind(model),
    on: (name: string, callback: any) => void model.on(name, callback, context),
    off: (name?: string | null, callback?: any) => void model.off(name, callback, context),
    widget_manager: model.widget_manager,
  };
}

const experimental = {
  invoke: () => Promise.reject(new Error("experimental.invoke is not available in this page.")),
};

export class AnyModel extends DOMWidgetModel {
  // Declared only: the base class calls `initialize` before a field could get its value.
  declare private ended: AbortController;
  declare ready: Promise<Definition>;

  override initialize(attributes: any, options: any): void {
    super.initialize(attributes, options);
    this.ended = new AbortController();
    this.ready = this.begin();
    // A view reports the failure; without one it must not be an unhandled rejection.
    this.ready.catch(() => {});
    this.once("destroy comm:close", () => this.ended.abort());
  }

  private async begin(): Promise<Definition> {
    addStyle(this.get("_css"), this.get("_anywidget_id") ?? this.model_id);
    const widget = await definition(this.get("_esm"));
    const { signal } = this.ended;
    const cleanup = await widget.initialize?.({ model: facade(this, this), signal, experimental });
    if (typeof cleanup === "function") signal.addEventListener("abort", () => void cleanup());
    return widget;
  }

  // Typed arrays and dates must survive: the base class would pass them through JSON.
  override serialize(state: any): any {
    const serializers = (this.constructor as typeof DOMWidgetModel).serializers ?? {};
    for (const key of Object.keys(state)) {
      const serialize = serializers[key]?.serialize;
      if (serialize) state[key] = serialize(state[key], this);
      else if (key === "layout" || key === "style") state[key] = JSON.parse(JSON.stringify(state[key]));
      else state[key] = structuredClone(state[key]);
    }
    return state;
  }
}

export class AnyView extends DOMWidgetView {
  private readonly ended = new AbortController();

  override async render(): Promise<void> {
    const model = this.model as AnyModel;
    try {
      const widget = await model.ready;
      const { signal } = this.ended;
      if (signal.aborted) return;
      const cleanup = await widget.render?.({ model: facade(model, this), el: this.el, signal, experimental });
      if (typeof cleanup !== "function") return;
      if (signal.aborted) cleanup();
      else signal.addEventListener("abort", () => void cleanup());
    } catch (error) {
      console.error(error);
      this.el.textContent = "This part of the page could not be shown. Reloading may help.";
      this.el.classList.add("problem");
    }
  }

  override remove(): any {
    this.ended.abort();
    this.model?.off(null as any, null as any, this);
    return super.remove();
  }
}
