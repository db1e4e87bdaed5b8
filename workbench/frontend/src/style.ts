// Brings the styles of forms made of plain ipywidgets, and ties each field to its help and its
// problem for screen readers, which ipywidgets have no way to say. Shows nothing itself.
import baseCss from "./base.css";
import { addStyle, newId, whenWide } from "./dom";
import formCss from "./form.css";
import type { Context } from "./wire";

function tie(row: Element): void {
  const field = row.querySelector("input, select, textarea");
  const texts = [...row.querySelectorAll(":scope > .wb-help, :scope > .wb-problem")];
  if (!field || row.classList.contains("wb-row-reference")) return;
  for (const text of texts) text.id ||= newId();
  const problem = row.querySelector(":scope > .wb-problem");
  problem?.setAttribute("role", "alert");
  const described = texts.map((text) => text.id).join(" ");
  const invalid = String(Boolean(problem?.textContent));
  if (field.getAttribute("aria-describedby") !== described) field.setAttribute("aria-describedby", described);
  if (field.getAttribute("aria-invalid") !== invalid) field.setAttribute("aria-invalid", invalid);
}

export default {
  render({ el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    addStyle("wb-form-style", formCss);
    el.classList.add("wb-style");
    let observer: MutationObserver | undefined;
    const stop = whenWide(document.body, () => {
      const panel = el.closest(".wb-form");
      if (!panel) return;
      const all = () => panel.querySelectorAll(".wb-row").forEach(tie);
      panel.querySelector(".wb-form-message")?.setAttribute("role", "status");
      observer = new MutationObserver(all);
      observer.observe(panel, { childList: true, characterData: true, subtree: true });
      all();
    });
    return () => {
      stop();
      observer?.disconnect();
    };
  },
};
