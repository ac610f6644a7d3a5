// Follows the run by server-sent events; where they do not come, asks every few seconds.
import { renew } from "./run-parts.js";
import { append } from "./run-output.js";

const PERIOD = 2500, OPENING = 8000, HIDDEN = 30000, TRIES = 12;
const HANDLERS = {
  state: () => renew(),
  output: append,
  progress: ({ html }) => { const place = document.querySelector("[data-part=progress]"); if (place) place.innerHTML = html; },
};

export const startLive = (run) => {
  let cursor = run.dataset.cursor, source = null, timer = 0, over = false, polls = 0;
  const handle = async (name, data) => {
    if (name === "end") { over = true; stop(); await renew(); return; }
    HANDLERS[name]?.(data);
  };
  const stop = () => { clearTimeout(timer); source?.close(); source = null; };
  const open = () => {
    stop();
    if (over) return;
    polls = 0;
    source = new EventSource(`${run.dataset.events}?after=${encodeURIComponent(cursor)}`);
    // A proxy that gathers answers before it hands them on never lets a stream begin.
    timer = setTimeout(() => { stop(); poll(); }, OPENING);
    source.onopen = () => { clearTimeout(timer); run.dataset.following = "events"; };
    source.onerror = () => { if (source?.readyState === EventSource.CLOSED) { stop(); timer = setTimeout(poll, PERIOD); } };
    for (const name of [...Object.keys(HANDLERS), "end"]) {
      source.addEventListener(name, (event) => {
        cursor = event.lastEventId || cursor;
        handle(name, JSON.parse(event.data));
      });
    }
  };
  const poll = async () => {
    if (over) return;
    run.dataset.following = "news";
    try {
      const answer = await fetch(`${run.dataset.news}?after=${encodeURIComponent(cursor)}`);
      if (answer.redirected || [401, 403, 404].includes(answer.status)) { over = true; await renew(); return; }
      if (answer.ok) {
        const { events, seen } = await answer.json();
        cursor = seen;
        for (const { name, data } of events) await handle(name, data);
      }
    } catch { /* The server is away for a moment. */ }
    if (over) return;
    // Now and then a stream may be free again.
    if (++polls >= TRIES) open();
    else timer = setTimeout(poll, PERIOD);
  };
  let resting = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(resting);
    if (document.hidden) resting = setTimeout(stop, HIDDEN);
    else if (!source && !over) open();
  });
  open();
};
