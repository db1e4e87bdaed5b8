// A field that picks a record by searching for it.
import baseCss from "./base.css";
import { Combobox } from "./combobox";
import { addStyle, dress, make, newId } from "./dom";
import { openRpc } from "./rpc";
import type { Choice, Context } from "./wire";

export default {
  render({ model, el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    dress(el, "wb-picker");
    const rpc = openRpc(model);
    const ids = { field: newId(), problem: newId(), help: newId() };
    const title = model.get<string>("description");
    const box = new Combobox({
      label: title,
      value: model.get<string | null>("value"),
      text: model.get<string>("label"),
      placeholder: model.get<string>("placeholder"),
      clearable: !model.get<boolean>("required"),
      testId: "picker",
      find: (term) => rpc.call<Choice[]>("lookup", { term }),
      chosen: (choice) => {
        model.set("label", choice?.label ?? "");
        model.set("value", choice?.value ?? null);
        model.save_changes();
      },
    });
    const problem = make("div", { id: ids.problem, class: "wb-problem", role: "alert" });
    const help = make("div", { id: ids.help, class: "wb-help" });
    const mark = make("span", { class: "wb-required", "aria-hidden": "true" }, " *");
    box.input.id = ids.field;
    if (title) box.input.removeAttribute("aria-label");
    box.input.setAttribute("aria-describedby", `${ids.help} ${ids.problem}`);
    el.append(make("div", { class: "wb-field" }, make("label", { for: ids.field, hidden: !title }, title, mark), box.element, help, problem));
    const show = () => {
      box.input.disabled = model.get<boolean>("disabled");
      box.set(model.get<string | null>("value"), model.get<string>("label"));
      box.input.classList.toggle("wb-trashed", model.get<boolean>("trashed"));
      box.input.title = model.get<boolean>("trashed") ? "in the trash" : "";
      mark.hidden = !model.get<boolean>("required");
      help.textContent = model.get<string>("help");
      problem.textContent = model.get<string>("problem");
      box.input.setAttribute("aria-invalid", String(problem.textContent !== ""));
    };
    const watched = ["value", "label", "disabled", "trashed", "required", "help", "problem"].map((name) => `change:${name}`);
    watched.forEach((event) => model.on(event, show));
    show();
    return () => {
      watched.forEach((event) => model.off(event, show));
      rpc.close();
    };
  },
};
