// Takes over from a page that was fetched anew whatever in it is other than here, part by part.
import { localize } from "./times.js";

export const BARE = { "X-Plangate-Bare": "1" };
const last = new Map();
let waiting = null;

export const remember = (root) => {
  for (const part of root.querySelectorAll("[data-part]")) last.set(part.dataset.part, part.outerHTML);
};

// A person who is at something must not lose it: typing, selecting, about to press.
const busy = (part) => {
  const at = document.activeElement;
  if (at !== document.body && part.contains(at) && (at.matches("input, textarea") || at.closest("details.ask[open]"))) return true;
  if ([...part.querySelectorAll("input:not([type=hidden]), textarea")].some((it) => it.value !== it.defaultValue)) return true;
  const chosen = document.getSelection();
  return Boolean(chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode));
};

const setIcon = (next) => {
  const icon = document.querySelector("link[rel=icon]"), other = next.querySelector("link[rel=icon]");
  if (icon && other && icon.getAttribute("href") !== other.getAttribute("href")) icon.replaceWith(document.importNode(other, true));
};

export const takeOver = (next, force = false) => {
  if (!next.getElementById("run")) return false;
  document.title = next.title;
  setIcon(next);
  let left = false;
  for (const part of next.querySelectorAll("[data-part]")) {
    const name = part.dataset.part, html = part.outerHTML;
    const here = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
    if (!here || last.get(name) === html) continue;
    if (!force && busy(here)) { left = true; continue; }
    last.set(name, html);
    const fresh = document.importNode(part, true);
    for (const fold of here.querySelectorAll("details[data-touched]")) {
      const same = fold.id && fresh.querySelector(`#${CSS.escape(fold.id)}`);
      if (same) { same.open = fold.open; same.dataset.touched = ""; }
    }
    here.replaceWith(fresh);
  }
  for (const fold of next.querySelectorAll("details[data-fold]")) {
    const here = document.getElementById(fold.id);
    if (here && !("touched" in here.dataset)) here.open = fold.open;
  }
  waiting = left ? next : null;
  localize();
  return true;
};

export const parse = (text) => new DOMParser().parseFromString(text, "text/html");

let fetching = false, again = false;
export const renew = async () => {
  if (fetching) { again = true; return; }
  fetching = true;
  try {
    const answer = await fetch(location.href.split("#")[0], { headers: BARE });
    if (answer.ok && !answer.redirected) takeOver(parse(await answer.text()));
  } catch { /* The server is away for a moment: the next event asks again. */ }
  fetching = false;
  if (again) { again = false; await renew(); }
};

export const watchFolds = () => {
  document.addEventListener("click", (event) => {
    const summary = event.target.closest("summary");
    if (summary) summary.parentElement.dataset.touched = "";
  });
  document.addEventListener("focusout", () => setTimeout(() => { if (waiting) takeOver(waiting); }, 300));
};
