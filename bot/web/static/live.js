// Renews the page's main part while something in it is still moving. Without it the page reloads itself.
(() => {
  const PERIOD = 2000;
  const busy = (main) => {
    const field = document.activeElement;
    const writing = main.contains(field) && field.matches("input[type=text]");
    return writing || [...main.querySelectorAll("input[type=text]")].some((it) => it.value) ||
      (document.getSelection() || "").toString() !== "";
  };
  const keep = (main) => ({
    folds: [...main.querySelectorAll("details[data-touched]")].map((it) => [it.id, it.open]),
    ends: [...main.querySelectorAll("pre.output")].map((it) =>
      [it.scrollTop, it.scrollHeight - it.scrollTop - it.clientHeight < 40]),
  });
  const restore = (main, kept) => {
    for (const [id, open] of kept.folds) {
      const fold = document.getElementById(id);
      if (fold) { fold.open = open; fold.dataset.touched = ""; }
    }
    main.querySelectorAll("pre.output").forEach((it, at) => {
      const [top, atEnd] = kept.ends[at] || [0, true];
      it.scrollTop = atEnd ? it.scrollHeight : top;
    });
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
            const kept = keep(main);
            main.replaceWith(next);
            restore(next, kept);
            last = text;
          }
        }
      } catch { /* The server is away for a moment: try again. */ }
    }
    setTimeout(renew, PERIOD);
  };
  document.querySelectorAll("pre.output").forEach((it) => { it.scrollTop = it.scrollHeight; });
  setTimeout(renew, PERIOD);
})();
