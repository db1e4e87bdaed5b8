// Going anywhere by typing: a button, and Ctrl-K from anywhere, open a dialog with one field.
import baseCss from "./base.css";
import { Combobox } from "./combobox";
import { addStyle, dress, icon, icons, make } from "./dom";
import { openRpc } from "./rpc";
import { listen } from "./shortcuts";
import type { Choice, Context } from "./wire";

export default {
  render({ model, el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    dress(el, "wb-palette");
    const rpc = openRpc(model);
    const box = new Combobox({
      label: "Search, or go to a page",
      value: null,
      text: "",
      placeholder: "A name, or a page…",
      clearable: false,
      testId: "palette",
      eager: true,
      find: (term) => rpc.call<Choice[]>("find", { term }),
      chosen: (choice) => {
        dialog.close();
        if (choice) void rpc.call("open", { value: choice.value }).catch((why: Error) => console.error(why.message));
      },
    });
    const dialog = make("dialog", { class: "wb-dialog wb-palette-dialog", "aria-label": "Search" }, box.element);
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    const show = () => {
      if (dialog.open) return;
      box.set(null, "");
      dialog.showModal();
      box.input.focus();
      box.open();
    };
    el.append(make("button", { type: "button", class: "wb-button wb-palette-button", title: "Search (Ctrl-K)", click: show }, icon(icons.search), "Search"), dialog);
    const stop = listen(el, [{ key: "k", inFields: true, run: show }]);
    return () => {
      stop();
      rpc.close();
    };
  },
};
