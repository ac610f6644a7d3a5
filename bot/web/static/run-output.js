// The output of plan and apply: grows as it comes, gets its earlier lines when asked, and is linked line by line.
import { BARE } from "./run-parts.js";

const LINE = 19.4, BLOCK = 400;
const boxOf = (stage) => document.getElementById(`output-${stage}`);
const earlierOf = (stage) => document.getElementById(`earlier-${stage}`);
const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 40;
const toEnd = (box) => { box.scrollTop = box.scrollHeight; };
const firstOf = (stage) => Number(earlierOf(stage)?.querySelector("[data-first]").textContent || 1);

const setFirst = (stage, first) => {
  const line = earlierOf(stage);
  if (!line) return;
  line.querySelector("[data-first]").textContent = first;
  line.hidden = first <= 1;
};

// What is out of sight is not laid out; how tall it is must be known all the same.
const sized = (block) => { block.style.containIntrinsicSize = `auto ${Math.round(block.childElementCount * LINE)}px`; };

export const append = ({ stage, anew, first, html }) => {
  const box = boxOf(stage);
  if (!box) return;
  const follow = box.hidden || anew || atEnd(box);
  if (anew) { box.replaceChildren(); setFirst(stage, first); }
  box.hidden = false;
  let block = box.lastElementChild;
  if (!block || block.childElementCount >= BLOCK) {
    block = box.appendChild(document.createElement("div"));
    block.className = "lines";
  }
  block.insertAdjacentHTML("beforeend", html);
  sized(block);
  if (follow) toEnd(box);
};

const earlier = async (stage, until = 1) => {
  const box = boxOf(stage), button = earlierOf(stage)?.querySelector("[data-earlier]");
  if (!box || !button) return;
  button.disabled = true;
  while (firstOf(stage) > until) {
    const answer = await fetch(`${button.dataset.earlier}?before=${firstOf(stage)}`, { headers: BARE });
    if (!answer.ok) break;
    const block = document.createElement("div");
    block.className = "lines";
    block.innerHTML = await answer.text();
    const number = Number(block.firstElementChild?.id.split("-L")[1]);
    if (!number) break;
    sized(block);
    const below = box.scrollHeight - box.scrollTop;
    box.prepend(block);
    box.scrollTop = box.scrollHeight - below;
    setFirst(stage, number);
    await new Promise(requestAnimationFrame);
  }
  button.disabled = false;
};

const unfold = (element) => {
  for (let at = element.parentElement; at; at = at.parentElement) if (at.matches("details")) at.open = true;
};

// A link to a line (#plan-L12) also finds one that is not on the page yet.
const follow = async () => {
  const found = /^#(plan|apply)-L(\d+)$/.exec(location.hash);
  if (found && !document.getElementById(found[0].slice(1))) await earlier(found[1], Number(found[2]));
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  unfold(target);
  document.querySelectorAll(".output .here").forEach((it) => it.classList.remove("here"));
  if (found) target.classList.add("here");
  target.scrollIntoView({ block: "center" });
};

export const startOutput = () => {
  for (const box of document.querySelectorAll(".output")) {
    box.querySelectorAll(".lines").forEach(sized);
    if (!location.hash) toEnd(box);
  }
  for (const button of document.querySelectorAll("[data-earlier]")) button.hidden = false;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-earlier]");
    if (button) earlier(button.dataset.stage);
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.(".terminal, .stage") && event.target.open && !location.hash) event.target.querySelectorAll(".output").forEach(toEnd);
  }, true);
  addEventListener("hashchange", follow);
  follow();
};
