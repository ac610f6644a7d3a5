// Asks for what applies need once the page is shown, because only the forge knows it. The page stays fast.
const OLD = 30000;
let got = "", html = null, asking = false, at = 0;

const wanted = () => document.querySelector("[data-needs-url]")?.dataset.needsUrl;

const put = (next) => {
  for (const fresh of next.querySelectorAll("[data-needs]")) {
    const here = document.querySelector(`#page [data-needs="${CSS.escape(fresh.dataset.needs)}"]`);
    if (!here || here.innerHTML === fresh.innerHTML || here.querySelector("details.ask[open]")) continue;
    here.innerHTML = fresh.innerHTML;
  }
};

const failed = () => {
  for (const place of document.querySelectorAll("[data-asking]")) place.textContent = "The forge could not be asked. Reload the page to try again.";
};

const ask = async (again = false) => {
  const url = wanted();
  if (!url) return;
  if (got === url && html) put(html);
  // One question at a time, however slow the forge is.
  if (asking || (got === url && !again)) return;
  asking = true;
  try {
    const answer = await fetch(url);
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    html = new DOMParser().parseFromString(await answer.text(), "text/html");
    got = url;
    at = Date.now();
    put(html);
  } catch { failed(); }
  asking = false;
  if (wanted() !== url) ask();
};

// The page renews itself while runs go on: what was learned is put in again.
new MutationObserver((seen) => {
  if (seen.some((it) => [...it.addedNodes].some((node) => node.id === "page"))) ask();
}).observe(document.body, { childList: true });
document.addEventListener("visibilitychange", () => { if (!document.hidden && Date.now() - at > OLD) ask(true); });
ask();
