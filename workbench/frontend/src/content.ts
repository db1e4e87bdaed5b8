// Headings, lists, cards and buttons that Python describes as data. A node with an action is
// answered by Python when it is clicked.
import baseCss from "./base.css";
import contentCss from "./content.css";
import { type Described, draw } from "./described";
import { addStyle, dress, whenWide } from "./dom";
import { openRpc } from "./rpc";
import type { Context, Model } from "./wire";

/** Where the focus is, as steps from the top: drawing again must not lose it. */
function path(top: HTMLElement, element: Element | null): number[] | null {
  const steps: number[] = [];
  for (let at = element; at && at !== top; at = at.parentElement) {
    if (!at.parentElement) return null;
    steps.unshift([...at.parentElement.children].indexOf(at));
  }
  return element && top.contains(element) ? steps : null;
}

function show(model: Model, el: HTMLElement, act: (action: string) => void): void {
  const focused = path(el, document.activeElement);
  el.replaceChildren(...model.get<Described[]>("nodes").map((node) => draw(node, act)));
  let at: Element | undefined = el;
  for (const step of focused ?? []) at = at?.children[step];
  if (focused && at instanceof HTMLElement) at.focus({ preventScroll: true });
  if (!focused || el.contains(document.activeElement)) return;
  // What had the focus is gone: it goes on where the new part begins.
  const next = el.querySelector<HTMLElement>("[data-next]");
  next?.setAttribute("tabindex", "-1");
  next?.focus();
}

/** On a narrow screen the navigation is one line that scrolls: bring the current item into it. */
function showCurrent(el: HTMLElement): void {
  const current = el.querySelector<HTMLElement>("[aria-current]");
  const pages = current?.closest("nav");
  if (!current || !pages || pages.scrollWidth <= pages.clientWidth) return;
  const line = pages.getBoundingClientRect();
  const item = current.getBoundingClientRect();
  if (item.left >= line.left && item.right <= line.right) return;
  pages.scrollLeft += item.left + item.width / 2 - line.left - line.width / 2;
}

/** The heading of a page takes the focus that the page before has left behind. */
function leadIn(el: HTMLElement): void {
  const heading = el.querySelector<HTMLElement>("[data-focus]");
  if (!heading || (document.activeElement && document.activeElement !== document.body)) return;
  heading.tabIndex = -1;
  heading.focus();
}

export default {
  render({ model, el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    addStyle("wb-content-style", contentCss);
    dress(el, "wb-content");
    const rpc = openRpc(model);
    const act = (action: string) => void rpc.call("act", { action }).catch((why: Error) => console.error(why.message));
    const drawAgain = () => {
      show(model, el, act);
      showCurrent(el);
    };
    drawAgain();
    const stop = whenWide(el, () => {
      showCurrent(el);
      leadIn(el);
    });
    model.on("change:nodes", drawAgain);
    return () => {
      stop();
      model.off("change:nodes", drawAgain);
      rpc.close();
    };
  },
};
