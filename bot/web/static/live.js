// Renews the page's main part while something in it is still moving. Without it the page reloads itself.
(() => {
  const PERIOD = 2000;
  const busy = (main) => {
    const field = document.activeElement;
    const writing = main.contains(field) && (field.matches("input:not([type=hidden]), textarea, select"));
    // What somebody is asked about an open question must stay as it was asked, wherever the focus is.
    return writing || main.querySelector("details.ask[open]") !== null || [...main.querySelectorAll("input[type=text], textarea")].some((it) => it.value !== it.defaultValue) ||
      (document.getSelection() || "").toString() !== "";
  };
  const keep = (main) => [...main.querySelectorAll("details[data-touched]")].map((it) => [it.id, it.open]);
  const restore = (folds) => {
    for (const [id, open] of folds) {
      const fold = document.getElementById(id);
      if (fold) { fold.open = open; fold.dataset.touched = ""; }
    }
  };
  document.addEventListener("click", (event) => {
    const summary = event.target.closest("summary");
    if (summary) summary.parentElement.dataset.touched = "";
  });
  let last = "";
  const renew = async () => {
    const main = document.getElementById("page");
    if (!main || !("live" in main.dataset)) return;
    if (!document.hidden && !busy(main)) {
      try {
        const answer = await fetch(location.href, { credentials: "same-origin" });
        if (answer.ok && !answer.redirected) {
          const text = await answer.text();
          const next = new DOMParser().parseFromString(text, "text/html").getElementById("page");
          if (next && text !== last && !busy(main)) {
            const folds = keep(main);
            main.replaceWith(next);
            restore(folds);
            last = text;
          }
        }
      } catch { /* The server is away for a moment: try again. */ }
    }
    setTimeout(renew, PERIOD);
  };
  setTimeout(renew, PERIOD);
})();
