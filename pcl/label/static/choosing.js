// Which pictures are chosen, by click, shift and keys, and where they are dragged.
import { $, plural, rove } from "./dom.js";

export const chosen = new Set();
let anchor = null; // where a row of pictures that shift chooses begins

const optionOf = (image) => $("sections").querySelector(`[data-image="${image}"]`);
const imageOf = (option) => Number(option.dataset.image);

export function focusOn(image) {
  const option = optionOf(image);
  if (!option) return;
  for (const other of option.parentElement.children) other.tabIndex = -1;
  option.tabIndex = 0;
  option.focus({ preventScroll: true });
}

export function drawChosen() {
  for (const option of $("sections").querySelectorAll('[role="option"]')) {
    option.ariaSelected = String(chosen.has(imageOf(option)));
  }
  $("chosen").hidden = chosen.size === 0;
  $("chosen").firstElementChild.textContent = `${plural(chosen.size, "picture")} chosen`;
}

export function clear() {
  chosen.clear();
  anchor = null;
  drawChosen();
}

function toggle(option) {
  if (!chosen.delete(imageOf(option))) chosen.add(imageOf(option));
  anchor = option;
}

function row(to) {
  const all = [...to.parentElement.children];
  const from = anchor?.parentElement === to.parentElement ? all.indexOf(anchor) : all.indexOf(to);
  const [first, final] = [from, all.indexOf(to)].sort((a, b) => a - b);
  for (const option of all.slice(first, final + 1)) chosen.add(imageOf(option));
}

function perRow(option) {
  const all = [...option.parentElement.children];
  const next = all.findIndex((other) => other.offsetTop > all[0].offsetTop);
  return next === -1 ? all.length : next;
}

// Whether the key was one that walks or chooses.
export function walk(event) {
  const option = event.target.closest?.('[role="option"]');
  if (!option) return false;
  const all = [...option.parentElement.children];
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: perRow(option), ArrowUp: -perRow(option), Home: -all.length, End: all.length };
  if (event.key in steps) {
    if (event.shiftKey && !anchor) { anchor = option; chosen.add(imageOf(option)); }
    const to = rove(option.parentElement, all, option, steps[event.key]);
    if (event.shiftKey) row(to);
    else anchor = null;
  } else if (event.key === " " || event.key === "Enter") {
    if (event.shiftKey) row(option);
    else toggle(option);
  } else {
    return false;
  }
  event.preventDefault();
  drawChosen();
  return true;
}

function dragging(moveTo) {
  let over = null;
  const target = (event) => event.target.closest?.(".target");
  const mark = (element) => {
    over?.classList.remove("over");
    over = element;
    over?.classList.add("over");
  };
  $("groups").addEventListener("dragstart", (event) => {
    const option = event.target.closest('[role="option"]');
    if (!chosen.has(imageOf(option))) { chosen.clear(); toggle(option); drawChosen(); }
    event.dataTransfer.setData("text/plain", [...chosen].join(" "));
    event.dataTransfer.effectAllowed = "move";
    document.body.classList.add("dragging");
  });
  $("groups").addEventListener("dragover", (event) => {
    mark(target(event));
    if (over) event.preventDefault();
  });
  $("groups").addEventListener("drop", (event) => {
    const { group } = target(event)?.dataset ?? {};
    event.preventDefault();
    mark(null);
    if (group !== undefined && chosen.size) moveTo([...chosen], group === "" ? null : Number(group));
  });
  $("groups").addEventListener("dragend", () => { mark(null); document.body.classList.remove("dragging"); });
}

export function choosing(moveTo) {
  $("groups").addEventListener("click", (event) => {
    const option = event.target.closest('[role="option"]');
    if (!option) return;
    if (event.shiftKey) row(option);
    else toggle(option);
    focusOn(imageOf(option));
    drawChosen();
  });
  dragging(moveTo);
}
