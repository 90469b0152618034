// What the server is asked for, and what it says where it does not do it.

// so long an answer may take, and one for which a worker has to do something first
const ANSWER_MS = 15_000;
const PICTURE_MS = 8_000;
const WORKER_MS = 60_000;

// `texts` are what is said where there is no answer, `token` shows that this page asks
export class Server {
  constructor(camera, token, language, texts) {
    this.at = `/api/v1/cameras/${encodeURIComponent(camera)}`;
    this.token = token;
    this.language = language;
    this.texts = texts;
  }

  // {status, body}; the status is 0 where there is no answer in time
  async ask(method, path, body, most = ANSWER_MS) {
    const headers = { accept: "application/json" };
    if (method !== "GET") headers["X-CSRF-Token"] = this.token;
    if (body !== undefined) headers["content-type"] = "application/json";
    try {
      const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", signal: AbortSignal.timeout(most) });
      // the session is over, and the page that comes says what to do
      if (answer.status === 401) location.reload();
      return { status: answer.status, body: await answer.json() };
    } catch {
      return { status: 0, body: { detail: this.texts.unheard } };
    }
  }

  scene(revision = null) {
    return this.ask("GET", `${this.at}/scene${revision === null ? "" : `?revision=${revision}`}`);
  }

  // newest first; those before a revision, where one is named
  revisions(before = null) {
    return this.ask("GET", `${this.at}/scenes${before === null ? "" : `?before=${before}`}`);
  }

  kinds() {
    return this.ask("GET", `/api/v1/scene/kinds?lang=${this.language}`);
  }

  check(scene) {
    return this.ask("POST", `${this.at}/scene/check`, { scene });
  }

  save(base, scene, note) {
    return this.ask("PUT", `${this.at}/scene`, { base, scene, ...(note ? { note } : {}) });
  }

  replay(scene, minutes) {
    return this.ask("POST", `${this.at}/replay`, { scene, minutes, lang: this.language }, WORKER_MS);
  }

  view() {
    return this.ask("POST", `${this.at}/view`, undefined, WORKER_MS);
  }

  // what the camera sees, without anything drawn on it: {url, age, width} or {why}
  async picture() {
    try {
      const answer = await fetch(`${this.at}/snapshot?plain=1`, { cache: "no-store", signal: AbortSignal.timeout(PICTURE_MS) });
      if (!answer.ok) return { why: why((await answer.json()).detail) };
      const [taken, now] = ["x-captured", "date"].map((name) => Date.parse(answer.headers.get(name)));
      return { url: URL.createObjectURL(await answer.blob()), age: Math.max(0, (now - taken) / 1000 || 0) };
    } catch {
      return { why: this.texts.unheard };
    }
  }
}

// why something was not done, in one sentence
export function why(detail) {
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail) && detail.length) return detail.map((each) => each.msg || String(each)).join("; ");
  if (detail && typeof detail === "object") return detail.text || detail.message || JSON.stringify(detail);
  return String(detail);
}
