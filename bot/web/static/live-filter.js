// A list is narrowed while somebody types: the server finds, so that every part of the list counts.
let timer, asked;

async function narrow(form) {
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  const address = `${form.action}?${query}`;
  asked?.abort();
  asked = new AbortController();
  let text;
  try {
    const answer = await fetch(address, { signal: asked.signal });
    if (!answer.ok || answer.redirected) return;
    text = await answer.text();
  } catch {
    return; // A later letter, or no connection: the button still works.
  }
  const found = new DOMParser().parseFromString(text, "text/html");
  for (const old of document.querySelectorAll("[data-narrowed]")) {
    const part = found.querySelector(`[data-narrowed="${old.dataset.narrowed}"]`);
    if (part) old.replaceWith(document.adoptNode(part));
  }
  history.replaceState(null, "", address);
}

// The form may be replaced while the page renews itself, so the document listens.
document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-narrows]");
  if (!form) return;
  clearTimeout(timer);
  timer = setTimeout(narrow, 200, form);
});
document.addEventListener("submit", () => {
  clearTimeout(timer);
  asked?.abort();
});
