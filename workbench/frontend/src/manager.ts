// ipywidgets' manager on top of our kernel connection: which classes there are, where views go.
import * as base from "@jupyter-widgets/base";
import { ManagerBase } from "@jupyter-widgets/base-manager";
import * as controls from "@jupyter-widgets/controls";
import { MessageLoop } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";
import * as anywidget from "./anywidget";
import { Comm, type Kernel, type Message } from "./kernel";
import * as output from "./output";

const LOAD_TRIES = 15;

const MODULES: Record<string, Record<string, any>> = {
  "@jupyter-widgets/base": base as any,
  "@jupyter-widgets/controls": controls as any,
  "@jupyter-widgets/output": output as any,
  anywidget: anywidget as any,
};

export class Manager extends ManagerBase {
  readonly captures = new Set<output.OutputModel>();
  // The kernel spoke of a widget that never came.
  onMissing: () => void = () => {};

  constructor(private readonly kernel: Kernel) {
    super();
    kernel.onCommOpen = (comm, message) => this.opened(comm, message);
    kernel.onOutput = (message) => this.printed(message);
  }

  // Asking for all widgets has a time-out of 4 s; a kernel that is busy for longer is asked again.
  async load(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this._loadFromKernel();
      } catch (error) {
        if (tries === LOAD_TRIES) throw error;
      }
    }
  }

  async show(id: string, into: HTMLElement): Promise<void> {
    const model = await this.get_model(id);
    const view = await this.create_view(model as base.DOMWidgetModel);
    // Lumino wants to attach to something that is in the document.
    if (into.isConnected) Widget.attach(view.luminoWidget, into);
    else into.append(view.luminoWidget.node);
    addEventListener("resize", () => MessageLoop.postMessage(view.luminoWidget, Widget.ResizeMessage.UnknownSize));
  }

  override async get_model(id: string): Promise<base.WidgetModel> {
    const known = this.has_model(id);
    try {
      return await super.get_model(id);
    } catch (error) {
      if (!known) this.onMissing();
      throw error;
    }
  }

  override async loadClass(className: string, moduleName: string): Promise<any> {
    const found = MODULES[moduleName]?.[className];
    if (!found) throw new Error(`This page has no widget ${moduleName}.${className}.`);
    return found;
  }

  override async _create_comm(
    target: string,
    id: string = crypto.randomUUID(),
    data?: any,
    metadata?: any,
    buffers?: any,
  ): Promise<base.IClassicComm> {
    const comm = new Comm(this.kernel, target, id);
    // Without data the comm is there already, in the kernel.
    if (data !== undefined) comm.open(data, undefined, metadata, buffers);
    return comm;
  }

  // The way of ipywidgets 7, taken when the question above was not answered.
  override async _loadFromKernelModels(): Promise<void> {
    throw new Error("The kernel did not answer in time.");
  }

  override async _get_comm_info(): Promise<Record<string, never>> {
    return {};
  }

  private opened(comm: Comm, message: Message): void {
    if (comm.target_name !== this.comm_target_name) return comm.close() as unknown as void;
    // Not awaited: a model may wait for others that are opened after it.
    this.handle_comm_open(comm, message as any).catch(console.error);
  }

  private printed(message: Message): void {
    const page = message.content.data?.[output.PAGE];
    if (page) output.describePage(page);
    else for (const widget of this.captures) if (widget.captures(message)) widget.take(message);
  }
}
