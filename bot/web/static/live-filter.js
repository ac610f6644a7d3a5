// A list is narrowed while somebody types: the server finds, so that every part of the list counts.
const form = document.querySelector("[data-live-filter]");
let timer, asked;

async function narrow() {
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
  for (const old of document.querySelectorAll("[data-live]")) {
    const part = found.querySelector(`[data-live="${old.dataset.live}"]`);
    if (part) old.replaceWith(document.adoptNode(part));
  }
  history.replaceState(null, "", address);
}

form?.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(narrow, 200);
});
