// Talks to the server: what it refuses is a Refusal with the status and what it said.
export const tab = crypto.randomUUID();
const names = new Map();
let version = "";

export class Refusal extends Error {
  constructor(status, body) {
    super(body.error ?? "");
    this.status = status;
    this.body = body;
  }
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(`/api/${path}`, options);
  } catch {
    throw new Refusal(0, { error: "The server does not answer. Start `pcl label` again; no answer is lost." });
  }
  const body = await response.json().catch(() => ({ error: "This link is an old one. Open the one that `pcl label` shows." }));
  for (const [image, name] of Object.entries(body.names ?? {})) names.set(Number(image), name);
  version = body.session?.version ?? version;
  if (!response.ok) throw new Refusal(response.status, body);
  return body;
}

export const get = (path) => call(path, { headers: { "X-Tab": tab } });

export const post = (path, body) => call(path, {
  method: "POST",
  headers: { "X-Tab": tab, "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

export const nameOf = (image) => names.get(image) ?? `picture ${image}`;
export const thumb = (image) => `/thumb/${image}.webp?v=${version}`;
export const large = (image) => `/large/${image}.webp?v=${version}`;
