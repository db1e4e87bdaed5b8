// The dashboard's page: theme, connection, and the widgets that the notebook shows.
import "@lumino/widgets/style/index.css";
import "@jupyter-widgets/base/css/index.css";
import "@jupyter-widgets/controls/css/widgets-base.css";
import "./page.css";
import "./account.css";
import { type Connection, Kernel } from "./kernel";
import { Manager } from "./manager";
import { show } from "./output";

const THEME = "workbench-theme";

function json(id: string): any {
  return JSON.parse(document.getElementById(id)?.textContent || "{}");
}

function parsed(): Promise<void> {
  if (document.readyState !== "loading") return Promise.resolve();
  return new Promise((done) => document.addEventListener("DOMContentLoaded", () => done(), { once: true }));
}

function kernelKnown(): Promise<boolean> {
  const known = (): boolean => document.getElementById("page-kernel") !== null;
  if (known()) return Promise.resolve(true);
  return Promise.race([
    new Promise<boolean>((done) => addEventListener("page-kernel", () => done(true), { once: true })),
    parsed().then(known),
  ]);
}

function setTheme(light: boolean): void {
  // On both: our styles ask the root, widgets made for JupyterLab ask the body.
  for (const node of [document.documentElement, document.body]) node.dataset["jpThemeLight"] = String(light);
  const button = document.getElementById("theme");
  if (!button) return;
  button.hidden = false;
  button.textContent = light ? "Dark" : "Light";
  button.ariaLabel = button.title = light ? "Use dark colours" : "Use light colours";
}

function chosenTheme(): string | null {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}

function startTheme(): void {
  const root = document.documentElement;
  const isLight = (): boolean => root.dataset["jpThemeLight"] !== "false";
  setTheme(isLight());
  // The system may turn dark in the evening; what was chosen here stays.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ({ matches }) => {
    if (!chosenTheme()) setTheme(!matches);
  });
  document.getElementById("theme")?.addEventListener("click", () => {
    setTheme(!isLight());
    try {
      localStorage.setItem(THEME, isLight() ? "light" : "dark");
    } catch {
      // Storage may be switched off; the choice then lasts as long as the page.
    }
  });
}

function startMenu(): void {
  const menu = document.querySelector<HTMLDetailsElement>("details.menu");
  document.addEventListener("click", (event) => {
    if (menu?.open && !menu.contains(event.target as Node)) menu.open = false;
  });
  menu?.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
}

// A break that is over sooner is worth no more than a word in the bar.
const SHORT_BREAK_MS = 3000;

const NOTICES: Partial<Record<Connection, [sentence: string, wayOn: string]>> = {
  lost: ["The server does not answer; trying again. When it is back, reload the page if this stays.", "Reload"],
  ended: ["This page's kernel has ended: it stopped, or was idle for long. What was saved is safe.", "Reload"],
  incomplete: ["The connection was lost for too long to go on with this page. What was saved is safe.", "Reload"],
  "signed-out": ["You are signed out.", "Sign in"],
};

let breakTimer: ReturnType<typeof setTimeout> | undefined;

function showConnection(state: Connection): void {
  const before = document.body.dataset["connection"];
  if (state === "lost" && before === "lost") return;
  document.body.dataset["connection"] = state;
  const status = document.getElementById("connection");
  if (status) status.textContent = state === "lost" ? "Connection lost, trying again…" : "";
  clearTimeout(breakTimer);
  const notice = NOTICES[state];
  if (state === "lost") breakTimer = setTimeout(() => closePage(...NOTICES.lost!), SHORT_BREAK_MS);
  else if (notice) closePage(...notice);
  else if (before === "lost") openPage();
}

function fillNotice(sentence: string, wayOn: string): HTMLDialogElement {
  const notice = document.getElementById("notice") as HTMLDialogElement;
  notice.querySelector("span")!.textContent = sentence;
  notice.querySelector("button")!.textContent = wayOn;
  return notice;
}

// What is typed from now on would go nowhere. It stays in sight, and a page that is connected
// again goes on with it. A modal dialog, because it comes before any other dialog of the page.
function closePage(sentence: string, wayOn: string): void {
  document.getElementById("connection")!.textContent = "";
  const notice = fillNotice(sentence, wayOn);
  if (notice.open) notice.close();
  notice.showModal();
  document.getElementById("main")?.toggleAttribute("inert", true);
}

function openPage(): void {
  document.getElementById("main")?.toggleAttribute("inert", false);
  (document.getElementById("notice") as HTMLDialogElement).close();
}

// The rest of the page works, and may hold something unsaved.
function tellMissing(): void {
  const notice = fillNotice("A part of this page is missing. Save what you need, then reload.", "Reload");
  if (!notice.open) notice.show();
}

function startNotice(): void {
  const notice = document.getElementById("notice");
  notice?.querySelector("button")?.addEventListener("click", () => location.reload());
  notice?.addEventListener("keydown", (event) => {
    if (event.key === "Escape") event.preventDefault();
  });
}

function endOnLeave(baseUrl: string, kernel: { id: string; xsrf: string }): void {
  addEventListener("pagehide", () => {
    const form = new FormData();
    form.append("_xsrf", kernel.xsrf);
    navigator.sendBeacon(`${baseUrl}page/${kernel.id}`, form);
  });
  // A page that comes back from the browser's cache has no kernel any more.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}

async function showOutputs(manager: Manager): Promise<void> {
  for (const script of document.querySelectorAll<HTMLScriptElement>("script.output")) {
    const place = Object.assign(document.createElement("div"), { className: "output" });
    script.replaceWith(place);
    await show(JSON.parse(script.textContent || "{}"), manager, place);
  }
}

async function start(): Promise<void> {
  if (!(await kernelKnown())) return;
  const { baseUrl } = json("jupyter-config-data");
  const described = json("page-kernel");
  const kernel = new Kernel(baseUrl, described.id);
  kernel.onConnection = showConnection;
  const manager = new Manager(kernel);
  manager.onMissing = tellMissing;
  endOnLeave(baseUrl, described);
  kernel.connect();
  await Promise.all([parsed(), kernel.opened]);
  if (!document.getElementById("complete")) return showConnection("ended");
  await manager.load();
  await showOutputs(manager);
  document.getElementById("skeleton")?.remove();
  document.getElementById("waiting")?.remove();
  document.body.dataset["state"] = "ready";
  performance.mark("workbench:ready");
}

function startBar(): void {
  startTheme();
  startMenu();
  startNotice();
}

// What a provider sent along is spent: it is not to stay in sight, nor in the history.
const { address } = document.documentElement.dataset;
if (address) history.replaceState(null, "", address);
// The bar is there long before the notebook's last cell has run.
if (document.getElementById("main")) startBar();
else void parsed().then(startBar);
// Only the dashboard says so, before this script; the sign-in page has no kernel to wait for.
if (document.getElementById("jupyter-config-data")) {
  start().catch((error) => {
    console.error(error);
    closePage("The page could not be shown.", "Reload");
  });
}
