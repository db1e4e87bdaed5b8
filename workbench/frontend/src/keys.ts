// Undo and redo by key, for whatever page is shown; shows nothing itself.
import { openRpc } from "./rpc";
import { listen } from "./shortcuts";
import type { Context } from "./wire";

export default {
  render({ model, el }: Context): () => void {
    const rpc = openRpc(model);
    const tell = (name: string) => () => void rpc.call("key", { name }).catch((why: Error) => console.error(why.message));
    const stop = listen(el, [
      { key: "z", run: tell("undo") },
      { key: "z", shift: true, run: tell("redo") },
      { key: "y", run: tell("redo") },
    ]);
    return () => {
      stop();
      rpc.close();
    };
  },
};
