// Brings the parts together: keys, buttons, and what is drawn when the state changes.
import { act, app, listen, refresh, watch } from "./app.js";
import { choose, current, drawQuestion, reply } from "./asks.js";
import { chosen, clear, walk } from "./choosing.js";
import { help, open, press, settings, settle, zoom } from "./dialogs.js";
import { $, say } from "./dom.js";
import { fetchGroups, move, toggleGroups } from "./groups.js";
import { drawStatus } from "./status.js";

async function undo() {
  const state = await act("undo");
  if (!state) return;
  say("Taken back.");
  if (app.view === "groups") { clear(); fetchGroups(); }
}

function toggleMode(mode) {
  if (app.view === "groups") toggleGroups();
  return act("mode", { mode: app.state?.session.mode === mode ? "place" : mode });
}

function zoomed() {
  const image = app.view === "groups" ? document.activeElement?.dataset?.image : current()?.image;
  if (image !== undefined) zoom(Number(image));
}

function back() {
  if (app.view !== "groups") return;
  if (chosen.size) clear();
  else toggleGroups();
}

const ANYWHERE = {
  Backspace: undo, s: toggleGroups, p: () => toggleMode("pair"), t: () => toggleMode("tap"), z: zoomed, "?": help, Escape: back,
};
const ASKING = {
  y: () => reply("same"), j: () => reply("same"), n: () => reply("different"), f: () => reply("different"),
  u: () => reply("unsure"), " ": () => reply("unsure"), o: () => reply("none"),
};
const LOOKING = { m: move };

function pressed(event) {
  if (event.repeat || event.isComposing || event.altKey) return null;
  if (event.ctrlKey || event.metaKey) return event.key === "z" && !event.shiftKey ? undo : null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if ((key === " " || key === "Enter") && event.target.closest("button, a")) return null;
  if (app.view === "asks" && /^[1-9]$/.test(key)) return () => choose(Number(key) - 1);
  return ANYWHERE[key] ?? (app.view === "asks" ? ASKING : LOOKING)[key] ?? null;
}

document.addEventListener("keydown", (event) => {
  const dialog = open();
  if (dialog) {
    if (!event.repeat) press(event, dialog);
    return;
  }
  // A dialog that was left keeps the focus of its field for a moment, or for good; nobody types there.
  if (event.target.matches("input, textarea, select") && event.target.offsetParent) return;
  if (app.view === "groups" && !event.ctrlKey && !event.metaKey && walk(event)) return;
  const action = pressed(event);
  if (!action) return;
  event.preventDefault();
  action();
});

function on(id, action) {
  $(id).addEventListener("click", (event) => {
    if (event.detail) event.currentTarget.blur(); // or space would press it again in place of its own meaning
    action(event);
  });
}

for (const button of document.querySelectorAll("[data-reply]")) {
  button.addEventListener("click", (event) => {
    if (event.detail) button.blur();
    reply(button.dataset.reply);
  });
}
for (const button of document.querySelectorAll("[data-mode]")) on(button.id, () => toggleMode(button.dataset.mode));
on("undo", undo);
on("groups-undo", undo);
on("to-groups", toggleGroups);
on("done-groups", toggleGroups);
on("to-help", help);
on("to-settings", settings);
on("picture", zoomed);
on("move", move);
on("clear", clear);
on("more", () => act("session", { budget: (app.state.session.budget ?? 0) + 50 }));

$("criterion").addEventListener("change", (event) => act("session", { criterion: event.target.value.trim() }));
$("criterion").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === "Escape") event.target.blur();
});

app.clash = settle;
watch(drawStatus);
watch(drawQuestion);
listen();
refresh();
