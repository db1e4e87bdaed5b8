// What Python describes as data: tags and attributes of a short list, text as text, drawn as elements.

export interface Described {
  tag: string;
  text?: string;
  attributes?: Record<string, string>;
  action?: string;
  children?: Described[];
}

const TAGS = new Set(["h1", "h2", "h3", "p", "ul", "ol", "li", "div", "span", "strong", "small", "button", "nav", "section", "header", "img", "time", "dl", "dt", "dd", "a", "em", "code", "pre", "blockquote", "br", "hr", "table", "thead", "tbody", "tr", "th", "td", "progress"]);
const ATTRIBUTES = /^(class|title|alt|datetime|lang|dir|role|width|height|loading|value|max|scope|aria-[a-z]+|data-[a-z-]+)$/;
/** A page of ours, by its place; it is opened in the page that is there unless a new tab is asked for. */
const PLACE = /^\?place=[a-z]+(\/[0-9a-f-]{36}){0,2}$/;
const OUTSIDE = /^(https?:\/\/|mailto:)[^\s<>"'\\]+$/i;
const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,/;

/** Draw an element; without `act` its links open tabs of their own, and its buttons do nothing. */
export function draw(described: Described, act?: (action: string) => void): HTMLElement {
  if (!TAGS.has(described.tag)) throw new Error(`no such tag here: ${described.tag}`);
  const element = document.createElement(described.tag);
  if (described.tag === "button") element.setAttribute("type", "button");
  for (const [name, value] of Object.entries(described.attributes ?? {})) {
    const fine = ATTRIBUTES.test(name) || (name === "src" && described.tag === "img" && PICTURE.test(value)) || (name === "href" && described.tag === "a" && (PLACE.test(value) || OUTSIDE.test(value)));
    if (fine) element.setAttribute(name, value);
  }
  if (element instanceof HTMLAnchorElement && !(described.action && act)) Object.assign(element, { target: "_blank", rel: "noopener noreferrer nofollow", referrerPolicy: "no-referrer" });
  if (described.text) element.append(described.text);
  if (element instanceof HTMLTimeElement) tellTime(element);
  const { action } = described;
  if (action && act)
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
