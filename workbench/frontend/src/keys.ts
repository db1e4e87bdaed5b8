// Undo and redo by key, and the browser's Back and Forward, for whatever page is shown; shows
// nothing itself.
import { openRpc } from "./rpc";
import { listen } from "./shortcuts";
import type { Context } from "./wire";

export default {
  render({ model, el }: Context): () => void {
    const rpc = openRpc(model);
    const call = (op: string, args: object) => void rpc.call(op, args).catch((why: Error) => console.error(why.message));
    const tell = (name: string) => () => call("key", { name });
    const visit = () => call("visit", { place: new URLSearchParams(location.search).get("place") ?? "" });
    const ours = document.body.dataset["state"] !== undefined;
    if (ours) addEventListener("popstate", visit);
    const stop = listen(el, [
      { key: "z", run: tell("undo") },
      { key: "z", shift: true, run: tell("redo") },
      { key: "y", run: tell("redo") },
    ]);
    return () => {
      stop();
      removeEventListener("popstate", visit);
      rpc.close();
    };
  },
};
