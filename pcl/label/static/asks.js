// The question: one picture beside a group, two pictures, or many to tap.
import { large, nameOf, thumb } from "./api.js";
import { act, app } from "./app.js";
import { $, img, key, make, plural, preload, say } from "./dom.js";

const WORDS = {
  place: ["Same", "Different", "Not sure", "None: a new group"],
  pair: ["Same", "Different", "Not sure", "None: a new group"],
  again: ["Same", "Different", "Not sure", null],
  tap: ["Done", "None of them", "Not sure", null],
};
const REPLIES = ["same", "different", "unsure", "none"];
const SAID = { same: "Same.", different: "Different.", unsure: "Not sure.", none: "A new group." };
let shown = null; // the id of the question on the screen
let since = 0;
let seen = false; // whether its picture is on the screen; nobody answers about a picture that is not
const tapped = new Set();

export const current = () => app.state?.question ?? null;

function columns(count) {
  return count <= 1 ? 1 : count <= 4 ? 2 : count <= 9 ? 3 : 4;
}

function prompt(asked) {
  const named = make("b", {}, asked.name);
  if (asked.kind === "pair") return ["Are these two the same?"];
  if (asked.kind === "tap") return ["Which of these belong to ", named, "?"];
  if (asked.kind === "again") return ["Asked once more: does it belong to ", named, "?"];
  return ["Does it belong to ", named, "?"];
}

function fill(container, elements) {
  container.dataset.columns = columns(elements.length);
  container.replaceChildren(...elements);
}

function drawCandidates(asked) {
  const listed = asked.candidates.map((image, at) => {
    const button = make("button", { ariaPressed: "false", ariaLabel: nameOf(image), data: { image } }, img(image, ""));
    if (at < 9) button.append(key(String(at + 1)));
    button.onclick = () => toggle(at);
    return button;
  });
  fill($("candidates"), listed);
}

function toggle(at) {
  const button = $("candidates").children[at];
  if (!button) return;
  const image = Number(button.dataset.image);
  if (!tapped.delete(image)) tapped.add(image);
  button.ariaPressed = String(tapped.has(image));
  $("asks").querySelector('[data-reply="same"] span').textContent = tapped.size ? `Done: these ${tapped.size}` : "Done";
}

function drawOthers(asked) {
  const listed = asked.others.map((other, at) => {
    const pictures = other.members.map((image) => img(image, ""));
    const label = `${other.name}, number ${at + 1}`;
    const button = make("button", { ariaLabel: label }, key(String(at + 1)), ...pictures, make("span", {}, other.name));
    button.setAttribute("aria-keyshortcuts", String(at + 1));
    button.onclick = () => choose(at);
    return button;
  });
  $("others").replaceChildren(...listed);
  $("others").parentElement.hidden = listed.length === 0;
}

function drawOne(asked) {
  const figure = $("picture").parentElement;
  const element = $("picture").firstElementChild;
  figure.hidden = asked.kind === "tap";
  figure.querySelector("figcaption span").textContent = nameOf(asked.image);
  $("picture").ariaLabel = `${nameOf(asked.image)}, see it large`;
  seen = false;
  element.alt = nameOf(asked.image);
  element.src = thumb(asked.image);
  element.decode().catch(() => {}).then(() => {
    if (shown !== asked.id) return;
    seen = true;
    since = performance.now();
    document.body.dataset.shown = asked.id;
    sharpen(element, asked);
  });
}

// A thumbnail has 320 pixels at most; where there is room for more, more is fetched.
async function sharpen(element, asked) {
  const room = element.clientWidth * devicePixelRatio;
  if (Math.max(element.naturalWidth, element.naturalHeight) < 320 || room <= 320) return;
  const better = new Image();
  better.src = large(asked.image);
  await better.decode().catch(() => {});
  if (shown === asked.id && better.naturalWidth) element.src = better.src;
}

export function drawQuestion(state) {
  const asked = state.question;
  const writes = state.session.writer;
  for (const button of $("asks").querySelectorAll(".replies button, #others button")) button.disabled = !writes;
  for (const button of document.querySelectorAll("[data-mode]")) {
    button.ariaPressed = String(state.session.mode === button.dataset.mode);
  }
  $("asks").classList.toggle("over", !asked);
  $("asks").querySelector(".done").hidden = Boolean(asked);
  $("asks").querySelector(".question").hidden = !asked;
  if (!asked) drawDone(state);
  if (!asked || asked.id === shown) return;
  shown = asked.id;
  tapped.clear();
  $("asks").dataset.kind = asked.kind;
  $("prompt").replaceChildren(...prompt(asked));
  drawOne(asked);
  fill($("members"), asked.members.map((image) => make("div", { role: "listitem" }, img(image))));
  $("candidates").hidden = asked.kind !== "tap";
  drawCandidates(asked);
  drawOthers(asked);
  REPLIES.forEach((reply, at) => {
    const button = $("asks").querySelector(`[data-reply="${reply}"]`);
    button.hidden = WORDS[asked.kind][at] === null;
    button.querySelector("span").textContent = WORDS[asked.kind][at] ?? "";
    button.disabled = !writes;
  });
  for (const button of $("others").children) button.disabled = !writes;
  preload([...asked.preload, ...asked.others.flatMap((other) => other.members)]);
}

function drawDone(state) {
  shown = null;
  delete document.body.dataset.shown;
  const [title, text] = $("asks").querySelectorAll(".done h2, .done p");
  const spent = state.status.left === 0;
  title.textContent = spent ? "That was the last question" : state.status.fitting ? "Looking at the pictures" : "All asked";
  text.textContent = spent ? "Look at the groups, or go on for a while."
    : state.status.fitting ? "The first question comes in a moment."
      : `All that can be asked about ${plural(state.status.pictures, "picture")} is answered.`;
  $("more").hidden = !spent;
}

async function answer(body, said) {
  const asked = current();
  if (!asked || !seen || asked.id !== shown || app.view !== "asks") return;
  const seconds = Math.round(performance.now() - since) / 1000;
  const state = await act("answer", { question: asked.id, seconds, ...body });
  const next = state?.question;
  if (state) say(next ? `${said} Next: ${nameOf(next.image)}, ${next.name}` : said);
}

export function reply(word) {
  const asked = current();
  if (!asked || WORDS[asked.kind][REPLIES.indexOf(word)] === null) return;
  if (asked.kind !== "tap" || word === "unsure") answer({ reply: word }, SAID[word]);
  else if (word === "same") answer({ reply: "tap", chosen: [...tapped] }, `${tapped.size} belong.`);
  else answer({ reply: "tap", chosen: [] }, "None of them.");
}

export function choose(at) {
  const asked = current();
  if (!asked) return;
  if (asked.kind === "tap") toggle(at);
  else if (asked.others[at]) answer({ reply: "choose", group: asked.others[at].group }, `${asked.others[at].name}.`);
}
