"use strict";
// The page reads without this; it adds the theme, sorting, filtering and copying.
const root = document.documentElement;
root.classList.add("scripted");

const theme = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
try {
  const kept = localStorage.getItem("theme");
  if (kept) root.dataset.theme = kept;
} catch { /* no storage for files in this browser: the system decides */ }
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* as above */ }
});
system.addEventListener("change", nameTheme);
nameTheme();

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => {
    if (!("sort" in head.dataset)) return;
    const numeric = head.dataset.sort === "number";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    const value = (row) => {
      const cell = row.cells[column];
      return numeric ? (cell.dataset.value === "" ? NaN : Number(cell.dataset.value)) : cell.textContent.trim();
    };
    button.addEventListener("click", () => {
      // Best first for numbers; the third click brings the first order back.
      const orders = numeric ? ["descending", "ascending"] : ["ascending", "descending"];
      const next = orders[orders.indexOf(head.ariaSort) + 1];
      for (const other of heads) other.ariaSort = null;
      if (!next) return body.append(...original);
      head.ariaSort = next;
      const sign = next === "ascending" ? 1 : -1;
      const sorted = [...original].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (!numeric) return sign * x.localeCompare(y);
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
        return sign * (x - y);
      });
      body.append(...sorted);
    });
  });
}

const filter = document.getElementById("filter");
const rows = [...document.querySelectorAll("tr[data-words]")];
const apply = () => {
  const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.dataset.words;
    const words = text.split(" ");
    row.hidden = !wanted.every((word) => (word.includes("=") ? words.includes(word) : text.includes(word)));
    shown += !row.hidden;
  }
  document.getElementById("count").textContent = `${shown} of ${rows.length}`;
};
filter.addEventListener("input", apply);
for (const link of document.querySelectorAll("[data-filter]")) {
  link.addEventListener("click", () => { filter.value = link.dataset.filter; apply(); });
}
apply();

for (const line of document.querySelectorAll(".cmd")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(line.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  line.append(button);
}
