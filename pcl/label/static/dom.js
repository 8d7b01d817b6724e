// Small helpers for elements and pictures.
import { nameOf, thumb } from "./api.js";

export const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "data") Object.assign(element.dataset, value);
    else if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

export const key = (text) => make("kbd", {}, text);

// Alternative text is the file's name; where a name stands beside the picture already, it is left empty.
export const img = (image, alt = nameOf(image)) => make("img", { src: thumb(image), alt, draggable: false });

const fetched = new Map(); // a picture that is held is in memory when it is asked about

export function preload(images) {
  for (const image of images) {
    if (fetched.has(image)) continue;
    const element = new Image();
    element.src = thumb(image);
    fetched.set(image, element);
  }
  for (const image of fetched.keys()) {
    if (fetched.size <= 200) break;
    fetched.delete(image);
  }
}

export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

let clearing;

// Said to those who do not see the page change.
export function say(text) {
  clearTimeout(clearing);
  $("said").textContent = text;
  clearing = setTimeout(() => { $("said").textContent = ""; }, 8000);
}

export function rove(container, items, from, step) {
  const to = items[Math.max(0, Math.min(items.length - 1, items.indexOf(from) + step))];
  if (!to) return null;
  for (const item of container.querySelectorAll('[tabindex="0"]')) item.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
  return to;
}
