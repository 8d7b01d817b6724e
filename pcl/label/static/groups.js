// The groups so far: every group as a grid, which can be renamed, merged, and changed by hand.
import { get, nameOf } from "./api.js";
import { act, app, warn } from "./app.js";
import { pick } from "./dialogs.js";
import { $, img, make, plural, preload, say } from "./dom.js";
import { chosen, choosing, clear, drawChosen, focusOn } from "./choosing.js";

const FIRST = 39; // pictures of a group that are shown at once
const DOUBTFUL = 0.6;
const LOOSE = "loose";
const whole = new Set(); // groups of which all is shown
let listed = []; // as the server gave them

export async function fetchGroups() {
  try {
    drawGroups(await get("groups"));
  } catch (refusal) {
    warn(refusal.message);
  }
}

function option(image, sure, at) {
  const note = sure === null ? "answered" : `${Math.round(sure * 100)} % sure`;
  const kind = sure === null ? "answered" : sure < DOUBTFUL ? "doubtful" : "";
  const picture = img(image, "");
  picture.loading = "lazy";
  return make("div", {
    role: "option", className: kind, ariaSelected: String(chosen.has(image)), ariaLabel: `${nameOf(image)}, ${note}`,
    title: `${nameOf(image)} · ${note}`, tabIndex: at === 0 ? 0 : -1, draggable: true, data: { image },
  }, picture);
}

function heading(group) {
  const field = make("input", { value: group.name, ariaLabel: `Name of ${group.name}`, maxLength: 80, autocomplete: "off" });
  field.addEventListener("focus", () => field.select());
  field.addEventListener("change", () => change("rename", { group: group.id, name: field.value.trim() }, "Renamed."));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") field.blur();
    if (event.key === "Escape") { field.value = group.name; field.blur(); }
  });
  const doubtful = group.inferred.filter(([, sure]) => sure < DOUBTFUL).length;
  const size = [plural(group.size, "picture"), `${group.answered.length} answered`, `${doubtful} in doubt`];
  const merge = make("button", { className: "quiet", ariaLabel: `Merge ${group.name} with another group` }, "Merge …");
  merge.onclick = () => mergeWith(group);
  merge.hidden = listed.length < 2;
  return make("header", {}, make("h3", {}, field), make("p", {}, size.join(" · ")), merge);
}

function grid(id, name, images) {
  const shown = whole.has(id) ? images : images.slice(0, FIRST);
  const box = make("div", { role: "listbox", className: "grid", ariaLabel: name, ariaMultiSelectable: "true" },
    ...shown.map(([image, sure], at) => option(image, sure, at)));
  if (shown.length === images.length) return [box];
  const all = make("button", { className: "quiet" }, `Show all ${images.length.toLocaleString("en")}`);
  all.onclick = () => { whole.add(id); redraw(); };
  return [box, all];
}

function section(group) {
  const images = [...group.inferred, ...group.answered.map((image) => [image, null])];
  return make("section", { className: "group target", ariaLabel: group.name, data: { group: group.id } },
    heading(group), ...grid(group.id, `Pictures of ${group.name}`, images));
}

function looseSection(loose) {
  const title = make("header", {}, make("h3", {}, "In no group yet"), make("p", {}, plural(loose.length, "picture")));
  return make("section", { className: "group", ariaLabel: "In no group yet" }, title,
    ...grid(LOOSE, "Pictures in no group yet", loose.map((image) => [image, 0])));
}

let last = { groups: [], loose: [] };

export function drawGroups(shape) {
  last = shape;
  redraw();
}

function redraw() {
  const focused = document.activeElement?.dataset?.image;
  listed = last.groups;
  const parts = listed.map(section);
  if (last.loose.length) parts.push(looseSection(last.loose));
  $("sections").replaceChildren(...parts);
  $("groups-title").textContent = listed.length ? `${plural(listed.length, "group")} so far` : "No groups yet";
  drawChosen();
  if (focused !== undefined) focusOn(Number(focused));
}

async function change(path, body, said) {
  const state = await act(path, body);
  if (!state) return fetchGroups();
  if (path !== "rename") clear();
  drawGroups(state);
  say(`${said} Backspace takes it back.`);
  return state;
}

const offered = (without) => listed
  .filter((group) => group.id !== without)
  .map((group) => ({ ...group, sample: [...group.answered, ...group.inferred.map(([image]) => image)].slice(0, 3) }));

async function mergeWith(group) {
  const other = await pick(`Merge ${group.name} with …`, offered(group.id), false);
  if (other !== null) change("merge", { groups: [group.id, other] }, "Merged.");
}

export function moveTo(images, group) {
  const name = group === null ? "a new group" : listed.find((each) => each.id === group)?.name;
  return change("move", { images, group }, `${plural(images.length, "picture")} moved to ${name}.`);
}

export async function move() {
  const focused = document.activeElement?.dataset?.image;
  const images = chosen.size ? [...chosen] : focused === undefined ? [] : [Number(focused)];
  if (!images.length) return;
  preload(offered().flatMap((group) => group.sample));
  const group = await pick(`Move ${plural(images.length, "picture")} to …`, offered(), true);
  if (group !== null) await moveTo(images, group === "new" ? null : group);
}

export function toggleGroups() {
  app.view = app.view === "groups" ? "asks" : "groups";
  document.body.dataset.view = app.view;
  $("asks").hidden = app.view === "groups";
  $("groups").hidden = app.view !== "groups";
  $("to-groups").ariaPressed = String(app.view === "groups");
  if (app.view === "groups") fetchGroups().then(() => $("sections").querySelector('[role="option"]')?.focus());
  scrollTo(0, 0);
}

choosing(moveTo);
