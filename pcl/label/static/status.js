// The lines below the page: how far the session is, and what was answered last.
import { act } from "./app.js";
import { nameOf } from "./api.js";
import { $, img, make, plural } from "./dom.js";

function pace(status) {
  if (!status.left || !status.seconds_per_answer) return [];
  const minutes = (status.left * status.seconds_per_answer) / 60;
  return [minutes < 1 ? "less than a minute at your pace" : `about ${Math.round(minutes)} min at your pace`];
}

export function line(status) {
  const parts = [`${status.answered.toLocaleString("en")} answered`];
  if (status.left !== null) parts.push(`${status.left.toLocaleString("en")} left`);
  parts.push(`${status.known.toLocaleString("en")} of ${plural(status.pictures, "picture")} known`);
  parts.push(plural(status.groups, "group"), ...pace(status), status.saved ? "saved" : "not saved");
  return parts.join(" · ");
}

const KINDS = { move: "moved", merge: "merged", rename: "named", tap: "tapped" };

function told(event) {
  const [pair] = event.pairs;
  if (event.kind === "rename") return `named ${event.name || "nothing"}`;
  if (!pair || event.kind in KINDS) return KINDS[event.kind] ?? event.kind;
  const [i, j, same] = pair;
  const said = same === null ? "not sure about" : same ? "the same:" : "different:";
  return `${said} ${nameOf(i)} and ${nameOf(j)}${event.more ? `, and ${event.more} more` : ""}`;
}

function sign(event) {
  const [pair] = event.pairs;
  if (event.kind in KINDS) return KINDS[event.kind];
  if (!pair || pair[2] === null) return "?";
  return pair[2] ? "=" : "≠";
}

function shown(event) {
  const pair = event.pairs.length && !(event.kind in KINDS) ? event.pairs[0].slice(0, 2) : [];
  const pictures = pair.length ? pair : event.image === null ? [] : [event.image];
  const parts = pictures.map((image) => img(image, ""));
  parts.splice(1, 0, make("span", { className: "sign", ariaHidden: "true" }, sign(event)));
  if (event.more) parts.push(make("span", { className: "more", ariaHidden: "true" }, `+${event.more}`));
  const text = told(event);
  if (!event.flips) return make("li", { title: text }, make("span", { className: "unseen" }, text), ...parts);
  const opposite = event.pairs[0][2] ? "different" : "the same";
  const label = `You said ${text}. Say ${opposite} instead`;
  const button = make("button", { title: label, ariaLabel: label, data: { number: event.number } }, ...parts);
  button.onclick = () => act("flip", { number: event.number });
  return make("li", {}, button);
}

export function drawStatus(state) {
  const { status } = state;
  $("status").textContent = line(status);
  $("status").dataset.saved = status.saved ? "yes" : "no";
  $("status").classList.toggle("fitting", status.fitting);
  $("advice").textContent = status.advice;
  $("history").replaceChildren(...state.history.map(shown));
  $("history-title").parentElement.hidden = state.history.length === 0;
  const field = $("criterion");
  if (document.activeElement !== field) field.value = state.session.criterion;
}
