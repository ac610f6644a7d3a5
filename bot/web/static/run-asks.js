// Buttons and comments: sent once, without leaving the page, which then shows what came of it.
import { BARE, parse, takeOver } from "./run-parts.js";
import { labelOf, toast } from "./toasts.js";
import "./asks.js";

const say = (title, text) => {
  const banner = document.createElement("section");
  banner.className = "banner bad";
  banner.append(Object.assign(document.createElement("h2"), { textContent: title }), Object.assign(document.createElement("p"), { textContent: text }));
  document.querySelector("[data-part=banners]")?.prepend(banner);
};

const send = async (form, words) => {
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: BARE });
  if (answer.redirected && new URL(answer.url).pathname !== location.pathname) { location.assign(answer.url); return; }
  const next = parse(await answer.text());
  if (answer.ok) { form.reset(); form.closest("details.ask")?.removeAttribute("open"); }
  if (takeOver(next, true)) {
    if (answer.ok) toast(words);
    document.getElementById("problem")?.scrollIntoView({ block: "nearest" });
    return;
  }
  say(next.querySelector("h1")?.textContent || "That did not work", next.querySelector("main h1 + p")?.textContent || "Reload the page and try again.");
};

export const startAsks = () => {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-act]")) return;
    event.preventDefault();
    if ("sent" in form.dataset) return;
    form.dataset.sent = "";
    const button = event.submitter;
    if (button) button.disabled = true;
    try { await send(form, labelOf(button)); } catch { say("The server can't be reached", "Nothing is lost: try again in a moment."); }
    delete form.dataset.sent;
    if (button) button.disabled = false;
  });
};
