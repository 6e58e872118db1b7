// Talks to the API of this host, and to no other.

/** An answer that is no success: its status, and what is wrong in one sentence. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const AWAY = 0; // as a status: there was no answer
const RETRY_MS = [500, 1000, 2000, 4000, 8000];

const COOKIE = "freshet_token";

/** The token that the person gave, for reads and for writes; an EventSource sends it by the cookie. */
export function token() {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${COOKIE}=`));
  return found ? found.slice(COOKIE.length + 1) : "";
}

/** Keep a token on this device; an empty one is forgotten. */
export function keepToken(value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const age = value ? 30 * 86400 : 0;
  document.cookie = `${COOKIE}=${value}; Path=/; Max-Age=${age}; SameSite=Strict${secure}`;
}

/** One request; gives the JSON of the answer, and throws Refused where it is no success. */
export async function request(method, path, { body, file, signal, keepalive } = {}) {
  const headers = {};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (file) headers["Content-Type"] = file.type || "application/octet-stream";
  const sent = file ?? (body === undefined ? undefined : JSON.stringify(body));
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: sent, signal, keepalive, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(AWAY, "The API does not answer.");
  }
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  throw new Refused(answer.status, typeof said.detail === "string" ? said.detail : said.title || `It answered ${answer.status}.`);
}

export const get = (path, options) => request("GET", path, options);
export const post = (path, body, options) => request("POST", path, { body, ...options });

/** Whether it may be there in a moment: away, or still reading the catalogue. */
export const isPassing = (error) => error instanceof Refused && (error.status === AWAY || error.status === 429 || error.status >= 500);

/** How long to wait before the next try, ms. */
export const retryAfter = (tries) => RETRY_MS[Math.min(tries, RETRY_MS.length - 1)];

/** A path with its parts and its query encoded: path`/v1/users/${id}/slate`. */
export function path(parts, ...values) {
  return String.raw({ raw: parts }, ...values.map((value) => encodeURIComponent(value)));
}

/** Where the page can load a file of an upload from; null where it lies on another host or nowhere. */
export function mediaAddress(uri) {
  if (!uri || /^[a-z][a-z0-9+.-]*:|^\/\//i.test(uri)) return null;
  return `/v1/media/${uri.replace(/^\/+/, "").split("/").map(encodeURIComponent).join("/")}`;
}
