// One kernel over one WebSocket, in Jupyter's v1 binary protocol; no JupyterLab services.
// A frame is a count, that many little-endian 64-bit offsets, and the parts between them:
// channel, header, parent header, metadata, content, buffers.
import type { ICallbacks, IClassicComm } from "@jupyter-widgets/base";

const PROTOCOL = "v1.kernel.websocket.jupyter.org";
const SESSION_ENDED = 4401;
const INCOMPLETE = 4410;
const FIRST_RETRY_MS = 300;
const LAST_RETRY_MS = 10_000;

export type Buffers = (ArrayBuffer | ArrayBufferView)[];
export type Connection = "connecting" | "open" | "lost" | "ended" | "incomplete" | "signed-out";

export interface Message {
  header: { msg_id: string; msg_type: string };
  parent_header: { msg_id?: string };
  metadata: Record<string, unknown>;
  content: any;
  buffers: DataView[];
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

function bytesOf(buffer: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
}

export function encode(channel: string, parts: unknown[], buffers: Buffers): Uint8Array<ArrayBuffer> {
  const bytes: Uint8Array[] = [encoder.encode(channel), ...parts.map((part) => encoder.encode(JSON.stringify(part)))];
  bytes.push(...buffers.map(bytesOf));
  const offsets = [8 * (bytes.length + 2)];
  for (const part of bytes) offsets.push(offsets[offsets.length - 1]! + part.length);
  const frame = new Uint8Array(offsets[offsets.length - 1]!);
  const view = new DataView(frame.buffer);
  view.setBigUint64(0, BigInt(offsets.length), true);
  offsets.forEach((offset, i) => view.setBigUint64(8 * (i + 1), BigInt(offset), true));
  bytes.forEach((part, i) => frame.set(part, offsets[i]));
  return frame;
}

export function decode(frame: ArrayBuffer): Message {
  const view = new DataView(frame);
  const count = Number(view.getBigUint64(0, true));
  const offset = (i: number): number => Number(view.getBigUint64(8 * (i + 1), true));
  const json = (i: number): any =>
    JSON.parse(decoder.decode(new Uint8Array(frame, offset(i), offset(i + 1) - offset(i))));
  const buffers: DataView[] = [];
  for (let i = 5; i < count - 1; i++) {
    // A copy, as JupyterLab makes: widgets read a view's whole `.buffer`.
    buffers.push(new DataView(frame.slice(offset(i), offset(i + 1))));
  }
  return { header: json(1), parent_header: json(2), metadata: json(3), content: json(4), buffers };
}

export class Kernel {
  onConnection: (state: Connection) => void = () => {};
  onCommOpen: (comm: Comm, message: Message) => void = () => {};
  // Whatever is printed or displayed by code that a widget's message started.
  onOutput: (message: Message) => void = () => {};

  // Settled by the first connection.
  readonly opened: Promise<void>;

  private settle: () => void = () => {};
  private readonly session = crypto.randomUUID();
  private readonly comms = new Map<string, Comm>();
  private readonly callbacks = new Map<string, ICallbacks>();
  private socket: WebSocket | null = null;
  // A connection that breaks takes with it what is under way. Both sides keep it: we what the
  // kernel has not taken up yet, the server what we have not received.
  private readonly unanswered = new Map<string, Uint8Array<ArrayBuffer>>();
  private received = 0;
  private retries = 0;
  private over = false;
  private chain: Promise<void> = Promise.resolve();

  constructor(
    private readonly baseUrl: string,
    readonly id: string,
  ) {
    this.opened = new Promise((done) => (this.settle = done));
  }

  connect(): void {
    const address = new URL(`${this.baseUrl}api/kernels/${this.id}/channels`, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    // The same session id each time: the server sends what we missed.
    address.searchParams.set("session_id", this.session);
    address.searchParams.set("received", String(this.received));
    const socket = new WebSocket(address, [PROTOCOL]);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.retries = 0;
      this.onConnection("open");
      this.settle();
      for (const frame of this.unanswered.values()) socket.send(frame);
    };
    socket.onmessage = (event) => {
      this.received++;
      this.receive(decode(event.data));
    };
    socket.onclose = (event) => void this.closed(event.code);
    this.socket = socket;
  }

  register(comm: Comm): void {
    this.comms.set(comm.comm_id, comm);
  }

  forget(comm: Comm): void {
    this.comms.delete(comm.comm_id);
  }

  send(type: string, content: unknown, callbacks?: ICallbacks, metadata = {}, buffers: Buffers = []): string {
    const id = crypto.randomUUID();
    const date = new Date().toISOString();
    const header = { msg_id: id, username: "", session: this.session, date, msg_type: type, version: "5.3" };
    if (callbacks) this.callbacks.set(id, callbacks);
    const frame = encode("shell", [header, {}, metadata, content], buffers);
    if (this.over) return id;
    this.unanswered.set(id, frame);
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(frame);
    return id;
  }

  private async closed(code: number): Promise<void> {
    if (this.over) return;
    if (code === SESSION_ENDED) return this.finish("signed-out");
    if (code === INCOMPLETE) return this.finish("incomplete");
    const fate = await this.fate();
    if (fate) return this.finish(fate);
    this.onConnection("lost");
    const pause = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.retries++);
    setTimeout(() => this.connect(), pause * (0.75 + Math.random() / 2));
  }

  // A refused WebSocket does not say why: ask whether the kernel is still ours.
  private async fate(): Promise<Connection | null> {
    try {
      const answer = await fetch(`${this.baseUrl}page/${this.id}`, { redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") return "signed-out";
      return answer.status === 404 ? "ended" : null;
    } catch {
      return null;
    }
  }

  private finish(state: Connection): void {
    this.over = true;
    this.unanswered.clear();
    this.onConnection(state);
    this.socket?.close();
  }

  private receive(message: Message): void {
    const type = message.header.msg_type;
    const parent = message.parent_header.msg_id ?? "";
    if (type === "status") {
      if (message.content.execution_state === "dead") return this.finish("ended");
      this.unanswered.delete(parent);
      // A widget model holds back its next change until its last one was dealt with.
      this.callbacks.get(parent)?.iopub?.["status"]?.(message as any);
      if (message.content.execution_state === "idle") this.callbacks.delete(parent);
    } else if (type === "comm_open") {
      const comm = new Comm(this, message.content.target_name, message.content.comm_id);
      this.chain = this.chain.then(() => this.onCommOpen(comm, message)).catch(console.error);
    } else if (type === "comm_msg" || type === "comm_close") {
      // One after the other: a later change must not overtake an earlier one.
      this.chain = this.chain
        .then(async () => void (await this.comms.get(message.content.comm_id)?.deliver(message)))
        .catch(console.error);
    } else if (["stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"].includes(type)) {
      this.chain = this.chain.then(() => this.onOutput(message)).catch(console.error);
    }
  }
}

type Handler = (message: Message) => unknown;

export class Comm implements IClassicComm {
  private onMessage: Handler | null = null;
  private onClosed: Handler | null = null;
  private early: Message[] = [];

  constructor(
    private readonly kernel: Kernel,
    readonly target_name: string,
    readonly comm_id: string,
  ) {
    kernel.register(this);
  }

  open(data: any, callbacks?: ICallbacks, metadata?: any, buffers?: Buffers): string {
    const { comm_id, target_name } = this;
    return this.kernel.send("comm_open", { comm_id, target_name, data }, callbacks, metadata, buffers);
  }

  send(data: any, callbacks?: ICallbacks, metadata?: any, buffers?: Buffers): string {
    return this.kernel.send("comm_msg", { comm_id: this.comm_id, data }, callbacks, metadata, buffers);
  }

  close(data: any = {}, callbacks?: ICallbacks, metadata?: any, buffers?: Buffers): string {
    this.kernel.forget(this);
    return this.kernel.send("comm_close", { comm_id: this.comm_id, data }, callbacks, metadata, buffers);
  }

  on_msg(handler: Handler): void {
    this.onMessage = handler;
    for (const message of this.early.splice(0)) void handler(message);
  }

  on_close(handler: Handler): void {
    this.onClosed = handler;
  }

  deliver(message: Message): unknown {
    if (message.header.msg_type === "comm_close") {
      this.kernel.forget(this);
      return this.onClosed?.(message);
    }
    if (this.onMessage) return this.onMessage(message);
    // The model is still being made, which can take a moment: keep its first messages.
    this.early.push(message);
    return undefined;
  }
}
