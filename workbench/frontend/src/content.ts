// Headings, lists, cards and buttons that Python describes as data: tags and attributes of a short
// list, text as text. A node with an action is answered by Python when it is clicked.
import baseCss from "./base.css";
import contentCss from "./content.css";
import { addStyle, dress, whenWide } from "./dom";
import { openRpc } from "./rpc";
import type { Context, Model } from "./wire";

interface Described {
  tag: string;
  text?: string;
  attributes?: Record<string, string>;
  action?: string;
  children?: Described[];
}

const TAGS = new Set(["h1", "h2", "h3", "p", "ul", "ol", "li", "div", "span", "strong", "small", "button", "nav", "section", "header", "img", "time", "dl", "dt", "dd", "a", "table", "thead", "tbody", "tr", "th", "td", "progress"]);
const ATTRIBUTES = /^(class|title|alt|datetime|lang|dir|role|width|height|loading|value|max|scope|aria-[a-z]+|data-[a-z-]+)$/;
/** A page of ours, by its place; it is opened in the page that is there unless a new tab is asked for. */
const PLACE = /^\?place=[a-z]+(\/[0-9a-f-]{36}){0,2}$/;
const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,/;

function draw(described: Described, act: (action: string) => void): HTMLElement {
  if (!TAGS.has(described.tag)) throw new Error(`no such tag here: ${described.tag}`);
  const element = document.createElement(described.tag);
  if (described.tag === "button") element.setAttribute("type", "button");
  for (const [name, value] of Object.entries(described.attributes ?? {})) {
    const fine = ATTRIBUTES.test(name) || (name === "src" && described.tag === "img" && PICTURE.test(value)) || (name === "href" && described.tag === "a" && PLACE.test(value));
    if (fine) element.setAttribute(name, value);
  }
  if (described.text) element.append(described.text);
  if (element instanceof HTMLTimeElement) tellTime(element);
  const { action } = described;
  if (action)
    element.addEventListener("click", (event) => {
      if (described.tag === "a" && (event.ctrlKey || event.metaKey || event.shiftKey)) return; // a new tab
      event.preventDefault();
      act(action);
    });
  element.append(...(described.children ?? []).map((child) => draw(child, act)));
  return element;
}

/** A moment as the reader's clock has it; the whole of it, with its zone, on asking. */
function tellTime(element: HTMLTimeElement): void {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime())) return;
  element.textContent = at.toLocaleString("sv-SE", { dateStyle: "short", timeStyle: "short" });
  element.title = at.toLocaleString("en-GB", { dateStyle: "full", timeStyle: "long" });
}

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
  if (!current || el.scrollWidth <= el.clientWidth) return;
  const line = el.getBoundingClientRect();
  const item = current.getBoundingClientRect();
  if (item.left >= line.left && item.right <= line.right) return;
  el.scrollLeft += item.left + item.width / 2 - line.left - line.width / 2;
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
