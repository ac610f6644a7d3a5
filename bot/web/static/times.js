// Times as the person has them: in words that stay true, and exactly in their own zone when pointed at.
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"]];

const ago = (seconds) => {
  if (seconds < 45) return "just now";
  for (const [size, unit] of UNITS) {
    const number = Math.floor(seconds / size);
    if (number) return `${number} ${unit}${number === 1 ? "" : "s"} ago`;
  }
  return "a minute ago";
};

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dated = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const timeOfDay = (at) => (at.toDateString() === new Date().toDateString() ? clock : dated).format(at);
const brief = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const localize = (root = document) => {
  for (const it of root.querySelectorAll("time[datetime]")) {
    const at = new Date(it.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    it.title = exact.format(at);
    const words = "clock" in it.dataset ? timeOfDay(at) : ago((Date.now() - at.getTime()) / 1000);
    if (it.textContent !== words) it.textContent = words;
  }
  for (const it of root.querySelectorAll("option[data-at]")) {
    const words = `${it.dataset.words} · ${brief.format(new Date(it.dataset.at))}`;
    if (it.textContent !== words) it.textContent = words;
  }
};
