// The list of changes: narrowed without reloading, attributes fetched when somebody opens a change.
import { BARE, parse } from "./run-parts.js";

const bare = async (url) => {
  const answer = await fetch(url, { headers: BARE });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.text();
};

let asked = 0;
const narrow = async (url) => {
  const mine = ++asked;
  // At once: the next wish, which may come before this one is answered, builds on it.
  history.replaceState(null, "", url);
  let next;
  try { next = parse(await bare(url.href.split("#")[0])); } catch { location.assign(url); return; }
  if (mine !== asked) return;
  for (const name of [".narrow .filters", "[data-within]", ".expand", "[data-list]"]) {
    const here = document.querySelector(`#resources ${name}`), fresh = next.querySelector(`#resources ${name}`);
    if (here && fresh) here.replaceWith(document.importNode(fresh, true));
  }
};

const searchUrl = (form) => {
  const url = new URL(location.href);
  const query = form.querySelector("[name=q]").value.trim();
  url.searchParams.delete("q");
  url.searchParams.delete("from");
  if (query) url.searchParams.set("q", query);
  url.hash = "";
  return url;
};

const more = async (link) => {
  const place = link.closest(".further");
  link.setAttribute("aria-disabled", "true");
  try {
    const holder = document.createElement("div");
    holder.innerHTML = await bare(link.href);
    const first = holder.querySelector("summary");
    place.replaceWith(holder);
    first?.focus();
  } catch { location.assign(link.href); }
};

// Opens every change of the list, or folds all of them again. Attributes that did not come along come now, at once.
const expand = async (link) => {
  const list = document.querySelector("#resources [data-list]");
  if ("folds" in link.dataset) {
    for (const fold of list.querySelectorAll("details.resource")) fold.open = false;
    delete link.dataset.folds;
    link.textContent = "Expand all";
    return;
  }
  if (list.querySelector("details[data-src]")) {
    link.setAttribute("aria-disabled", "true");
    try { list.innerHTML = await bare(link.href); } catch { location.assign(link.href); return; }
    link.removeAttribute("aria-disabled");
  }
  for (const fold of list.querySelectorAll("details.resource, details.module")) fold.open = true;
  link.dataset.folds = "";
  link.textContent = "Fold all";
};

const details = async (fold) => {
  const place = fold.querySelector(".inside"), url = fold.dataset.src;
  delete fold.dataset.src;
  try { place.innerHTML = await bare(url); } catch { fold.dataset.src = url; }
};

export const startChanges = () => {
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("details[data-src]") && event.target.open) details(event.target);
  }, true);
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("a[data-narrow], a[data-more], a[data-expand]");
    if (!link || (!document.getElementById("resources") && "narrow" in link.dataset)) return;
    event.preventDefault();
    if ("more" in link.dataset) more(link);
    else if ("expand" in link.dataset) expand(link);
    else narrow(new URL(link.href));
  });
  let timer;
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-search]");
    if (!form) return;
    clearTimeout(timer);
    timer = setTimeout(() => narrow(searchUrl(form)), 180);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-search]")) return;
    event.preventDefault();
    clearTimeout(timer);
    narrow(searchUrl(event.target));
  });
};
