// Brings the styles of forms made of plain ipywidgets, and ties each field to its help and its
// problem for screen readers, which ipywidgets have no way to say; leads to what was refused. Shows
// nothing itself.
import baseCss from "./base.css";
import { addStyle, newId, whenWide } from "./dom";
import formCss from "./form.css";
import type { Context } from "./wire";

const FRAMES_TO_WAIT = 60;

function tie(row: Element): void {
  const clash = row.querySelector(":scope > .wb-clash");
  const theirs = clash?.querySelector(".wb-theirs");
  if (clash && theirs) describe(clash, { role: "group", "aria-labelledby": (theirs.id ||= newId()) });
  const field = row.querySelector("input, select, textarea");
  const texts = [...row.querySelectorAll(":scope > .wb-help, :scope > .wb-problem")];
  if (!field || row.classList.contains("wb-row-reference")) return;
  for (const text of texts) text.id ||= newId();
  const problem = row.querySelector(":scope > .wb-problem");
  problem?.setAttribute("role", "alert");
  describe(field, {
    "aria-describedby": texts.map((text) => text.id).join(" "),
    "aria-invalid": String(Boolean(problem?.textContent)),
    "aria-required": String(row.classList.contains("wb-row-required")),
  });
}

function describe(element: Element, attributes: Record<string, string>): void {
  for (const [name, value] of Object.entries(attributes)) if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Bring what is to be mended into view: the choice between two values, or else the field. */
function lead(row: Element, marked: boolean, frames = FRAMES_TO_WAIT): void {
  const buttons = marked ? [...row.querySelectorAll<HTMLElement>(".wb-clash button")] : [];
  const clash = buttons.find((button) => button.offsetParent);
  // Other widgets draw the choice and the problem: they may be a few frames behind.
  if (marked && !clash && !row.querySelector(".wb-problem:not(:empty)") && frames > 0) return void requestAnimationFrame(() => lead(row, marked, frames - 1));
  row.scrollIntoView({ block: "center" });
  (clash ?? row.querySelector<HTMLElement>("input, select, textarea"))?.focus({ preventScroll: true });
}

export default {
  render({ model, el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    addStyle("wb-form-style", formCss);
    el.classList.add("wb-style");
    let observer: MutationObserver | undefined;
    const told = (message: { t: string; field?: string; marked?: boolean }) => {
      const panel = el.closest(".wb-form");
      const row = panel?.querySelector(`.wb-row-of-${CSS.escape(message.field ?? "")}`);
      if (message.t === "lead" && row) lead(row, Boolean(message.marked));
    };
    model.on("msg:custom", told);
    const stop = whenWide(document.body, () => {
      const panel = el.closest(".wb-form");
      if (!panel) return;
      const all = () => panel.querySelectorAll(".wb-row").forEach(tie);
      for (const said of panel.querySelectorAll(".wb-form-message, .wb-told")) said.setAttribute("role", "status");
      observer = new MutationObserver(all);
      observer.observe(panel, { childList: true, characterData: true, subtree: true });
      all();
    });
    return () => {
      stop();
      model.off("msg:custom", told);
      observer?.disconnect();
    };
  },
};
