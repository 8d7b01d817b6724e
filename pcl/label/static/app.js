// The state that the server gave last, and everything that changes it.
import { get, post, tab } from "./api.js";
import { $ } from "./dom.js";

export const app = { state: null, busy: "", view: "asks", clash: null };
const watchers = [];

export const watch = (watcher) => watchers.push(watcher);

export function show(state) {
  app.state = state;
  for (const watcher of watchers) watcher(state);
}

export function warn(text, label = "", action = null) {
  const [paragraph, button] = $("banner").children;
  paragraph.textContent = text;
  button.textContent = label;
  button.hidden = !label;
  button.onclick = action;
  $("banner").hidden = false;
}

export function calm() {
  $("banner").hidden = true;
}

function onlooker() {
  warn("Another tab is answering; this one looks on.", "Answer here", takeOver);
}

async function takeOver() {
  try {
    show(await post("takeover", {}));
  } catch (refusal) {
    warn(refusal.message);
  }
}

export async function refresh() {
  const before = app.state;
  try {
    const state = await get("state");
    if (before && app.state !== before) return; // an answer was quicker; its state is the newer one
    show(state);
    if (!state.session.writer) onlooker();
    else if (state.status.trouble) warn(state.status.trouble);
    else calm();
  } catch (refusal) {
    warn(refusal.message);
  }
}

let pending = null;

// Does something on the server. Gives the new state, or null where it was refused; then the page says why.
// While an answer is under way, further keys are about a question that nobody has seen: they are dropped. What says
// something about the session leaves the question as it is, and is waited for.
export async function act(path, body = {}) {
  if (app.busy === "session") await pending;
  if (app.busy || !app.state) return null;
  if (!app.state.session.writer) {
    onlooker();
    return null;
  }
  app.busy = path;
  pending = send(path, body);
  const clash = await pending;
  if (clash) app.clash(clash, path === "resolve" ? body.drop : []);
  return clash === null ? app.state : null;
}

// The contradiction that the server refuses; false for another refusal; null where all is well.
async function send(path, body) {
  try {
    show(await post(path, body));
    calm();
    return null;
  } catch (refusal) {
    return refused(refusal, path);
  } finally {
    app.busy = "";
  }
}

function refused(refusal, path) {
  if (refusal.status === 409) return refusal.body.contradiction;
  if (refusal.status === 410) {
    show(refusal.body);
    warn("That question had changed; here is the one that stands now.");
  } else if (refusal.status === 423) {
    refresh();
  } else if (refusal.status === 507) {
    $("status").dataset.saved = "no";
    warn(`Not saved: ${refusal.message}`);
  } else {
    warn(refusal.message || `That did not work (${path}, ${refusal.status}).`);
  }
  return false;
}

export function listen() {
  const events = new EventSource(`/api/events?tab=${tab}`);
  events.addEventListener("fit", (event) => {
    $("status").classList.toggle("fitting", JSON.parse(event.data).state === "started");
    if (JSON.parse(event.data).state === "finished") Promise.resolve(pending).then(refresh);
  });
  events.addEventListener("writer", refresh);
  events.addEventListener("error", () => {
    warn("The server does not answer. Start `pcl label` again; no answer is lost.");
    if (app.state) app.state.session.writer = false;
  });
  events.addEventListener("open", refresh);
}
