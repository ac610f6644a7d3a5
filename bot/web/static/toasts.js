// Says that an action was done, for a few seconds: the page that a form leads to may look as before.
const KEY = "plangate-done", SHOWN = 6000, RECENT = 60000;

export const toast = (words) => {
  const place = document.getElementById("toasts");
  if (!place || !words) return;
  const said = Object.assign(document.createElement("p"), { className: "toast", textContent: `Done: ${words}` });
  place.append(said);
  setTimeout(() => said.remove(), SHOWN);
};

export const labelOf = (button) => (button?.textContent || "").replace(/\s+/g, " ").trim();

document.addEventListener("submit", (event) => {
  const form = event.target;
  // Forms that the page sends itself say so themselves.
  if (form.method !== "post" || form.matches("[data-act], .who")) return;
  try { sessionStorage.setItem(KEY, JSON.stringify({ words: labelOf(event.submitter), at: Date.now() })); } catch { /* No storage, no toast. */ }
});

try {
  const left = JSON.parse(sessionStorage.getItem(KEY));
  sessionStorage.removeItem(KEY);
  const status = performance.getEntriesByType("navigation")[0]?.responseStatus || 200;
  const failed = status >= 400 || document.querySelector("#problem, main.message, .problem");
  if (left && !failed && Date.now() - left.at < RECENT) toast(left.words);
} catch { /* No storage, no toast. */ }
