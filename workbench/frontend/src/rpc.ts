// Requests and answers over custom messages.
import type { Failure, Model } from "./wire";

type Message = { t: string; id?: string; ok?: boolean; data?: unknown; error?: Failure } & Record<string, unknown>;

export class Refusal extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

export interface Rpc {
  /** Ask; what is answered in bytes comes as a view of them. */
  call<T>(op: string, args: object, bytes?: ArrayBuffer): Promise<T>;
  listen(listener: (message: Message) => void): void;
  close(): void;
}

export function openRpc(model: Model): Rpc {
  // Every view of a model gets every message: ids must differ between views too.
  const view = Math.random().toString(36).slice(2);
  const waiting = new Map<string, { done: (data: never) => void; failed: (why: Refusal) => void }>();
  const listeners: ((message: Message) => void)[] = [];
  let count = 0;
  const received = (message: Message, buffers: DataView[] = []) => {
    if (message.t !== "res") return listeners.forEach((listener) => listener(message));
    const asked = waiting.get(message.id ?? "");
    if (!asked) return;
    waiting.delete(message.id ?? "");
    if (message.ok) asked.done((buffers[0] ?? message.data) as never);
    else asked.failed(new Refusal(message.error as Failure));
  };
  model.on("msg:custom", received);
  return {
    call: (op, args, bytes) =>
      new Promise((done, failed) => {
        const id = `${view}.${++count}`;
        waiting.set(id, { done, failed });
        model.send({ t: "req", id, op, args }, undefined, bytes && [bytes]);
      }),
    listen: (listener) => void listeners.push(listener),
    close: () => model.off("msg:custom", received),
  };
}
