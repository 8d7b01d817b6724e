// Everything that opens above the page: a contradiction, a choice of groups, a large picture, settings, help.
import { large, nameOf } from "./api.js";
import { act, app } from "./app.js";
import { $, img, key, make } from "./dom.js";

export const open = () => document.querySelector("dialog[open]");

// Resolves with what was chosen: the value of the button; empty where the dialog was left.
function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

const sign = (same) => (same ? "=" : "≠");
const said = (same) => (same ? "the same" : "different");

function node(image) {
  return make("figure", {}, img(image, ""), make("figcaption", {}, nameOf(image)));
}

function link(given, at, marked) {
  const label = `${nameOf(given.i)} and ${nameOf(given.j)}: ${said(given.same)}`;
  const input = make("input", { type: "radio", name: "drop", value: String(at), checked: marked, ariaLabel: label });
  return make("label", {}, make("span", { className: "sign" }, sign(given.same)), input,
    make("span", { ariaHidden: "true" }, said(given.same)));
}

function drawClash(clash) {
  const [i, j] = clash.pair;
  const now = make("span", { className: "sign" }, sign(clash.same));
  $("clash-now").replaceChildren(node(i), make("span", { className: "link" }, now, said(clash.same)), node(j));
  const alone = clash.chain.length === 1;
  $("clash-before").textContent = `But you said before${alone ? ":" : ", and together that says the opposite:"}`;
  const parts = [node(i)];
  let at = i;
  clash.chain.forEach((given, place) => {
    at = given.i === at ? given.j : given.i;
    parts.push(link(given, place, place === clash.doubt), node(at));
  });
  $("clash-chain").replaceChildren(...parts);
}

// `dropped`: what was given up before; one answer may stand against several chains.
export async function settle(clash, dropped) {
  drawClash(clash);
  const chosen = ask($("clash"));
  $("clash-chain").querySelector("input:checked").focus();
  const keep = await chosen;
  if (!keep) return;
  const given = clash.chain[Number($("clash-chain").querySelector("input:checked").value)];
  const drop = keep === "new" ? [...dropped, [given.i, given.j]] : [];
  await act("resolve", { pair: clash.pair, same: clash.same, keep, drop });
}

// The group that is chosen; "new"; or null.
export async function pick(title, groups, offersNew) {
  $("picker-title").textContent = title;
  const listed = groups.map((group, at) => {
    const pictures = group.sample.map((image) => img(image, ""));
    const keys = at < 9 ? [key(String(at + 1))] : [];
    return make("button", { value: String(group.id) }, ...keys, ...pictures, make("span", {}, group.name));
  });
  if (offersNew) listed.push(make("button", { value: "new" }, key("0"), make("span", {}, "A new group")));
  $("picker-groups").replaceChildren(...listed);
  const chosen = ask($("picker"));
  listed[0]?.focus();
  const value = await chosen;
  if (!value) return null;
  return value === "new" ? value : Number(value);
}

export function zoom(image) {
  const element = $("zoom").querySelector("img");
  element.src = large(image);
  element.alt = nameOf(image);
  ask($("zoom"));
}

export const help = () => ask($("help"));

export function settings() {
  const { clusters, budget } = $("settings").querySelector("form").elements;
  clusters.value = app.state.session.clusters ?? "";
  budget.value = app.state.session.budget ?? "";
  $("settings").querySelector(".problem").textContent = "";
  ask($("settings")).then((chosen) => {
    if (chosen !== "save") return;
    const number = (field) => (field.value === "" ? null : Number(field.value));
    act("session", { clusters: number(clusters), budget: number(budget) });
  });
}

// The keys of the dialog that is open.
export function press(event, dialog) {
  if (event.target.matches("input:not([type=radio])")) return;
  const press = (button) => { event.preventDefault(); button?.click(); };
  if (dialog.id === "clash") {
    const values = { 1: "new", 2: "old", 3: "unsure" };
    if (event.key in values) press(dialog.querySelector(`button[value="${values[event.key]}"]`));
  } else if (dialog.id === "picker") {
    const listed = [...$("picker-groups").children];
    if (event.key === "0") press(listed.find((button) => button.value === "new"));
    else if (/^[1-9]$/.test(event.key)) press(listed.filter((button) => button.value !== "new")[Number(event.key) - 1]);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); listed[listed.indexOf(document.activeElement) + step]?.focus(); }
  } else if ((dialog.id === "zoom" && event.key === "z") || (dialog.id === "help" && event.key === "?")) {
    event.preventDefault();
    dialog.close();
  }
}
