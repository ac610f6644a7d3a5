// Renews the page's main part while something in it is still moving. Without it the page reloads itself.
(() => {
  const PERIOD = 2000;
  const outputs = (main) => [...main.querySelectorAll("pre.output")];
  const busy = (main) => {
    const field = document.activeElement;
    const writing = main.contains(field) && field.matches("input[type=text], textarea, select");
    return writing || [...main.querySelectorAll("input[type=text], textarea")].some((it) => it.value !== it.defaultValue) ||
      (document.getSelection() || "").toString() !== "";
  };
  const keep = (main) => ({
    folds: [...main.querySelectorAll("details[data-touched]")].map((it) => [it.id, it.open]),
    ends: new Map(outputs(main).map((it) =>
      [it.id, [it.scrollTop, it.scrollHeight - it.scrollTop - it.clientHeight < 40]])),
  });
  const restore = (main, kept) => {
    for (const [id, open] of kept.folds) {
      const fold = document.getElementById(id);
      if (fold) { fold.open = open; fold.dataset.touched = ""; }
    }
    for (const it of outputs(main)) {
      const [top, atEnd] = kept.ends.get(it.id) || [0, true];
      it.scrollTop = atEnd ? it.scrollHeight : top;
    }
  };
  // The server sends only the output that this page does not have yet: put what it has before it.
  const join = (next) => {
    for (const it of outputs(next)) {
      const old = document.getElementById(it.id);
      if (old && it.dataset.begin !== "0" && old.dataset.end === it.dataset.begin) it.prepend(...old.childNodes);
    }
  };
  const seen = (main) => outputs(main).map((it) => `${it.dataset.stage}=${it.dataset.end}`).join(" ");
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
        const headers = { "X-Plangate-Seen": seen(main) };
        const answer = await fetch(location.href, { credentials: "same-origin", headers });
        if (answer.ok && !answer.redirected) {
          const text = await answer.text();
          const next = new DOMParser().parseFromString(text, "text/html").getElementById("page");
          if (next && text !== last && !busy(main)) {
            const kept = keep(main);
            join(next);
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
