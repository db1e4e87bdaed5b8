// Keys that work wherever the focus is; in a field, and in a dialog, they keep their own meaning.
import { openRpc } from "./rpc";
import type { Context } from "./wire";

const FIELDS = "input, textarea, select, [contenteditable]:not([contenteditable='false']), dialog";

function meaning(event: KeyboardEvent): string {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return "";
  const key = event.key.toLowerCase();
  if (key === "z") return event.shiftKey ? "redo" : "undo";
  return key === "y" && !event.shiftKey ? "redo" : "";
}

export default {
  render({ model, el }: Context): () => void {
    const rpc = openRpc(model);
    const heard = (event: KeyboardEvent) => {
      const name = meaning(event);
      const target = event.target instanceof Element ? event.target : null;
      if (!name || event.defaultPrevented || target?.closest(FIELDS)) return;
      const ours = document.body.dataset["state"] !== undefined || target?.closest(".wb-dashboard")?.contains(el);
      if (!ours) return;
      event.preventDefault();
      void rpc.call("key", { name }).catch((why: Error) => console.error(why.message));
    };
    document.addEventListener("keydown", heard);
    return () => {
      document.removeEventListener("keydown", heard);
      rpc.close();
    };
  },
};
