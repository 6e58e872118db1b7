// Whose feed it is: chosen by any id, remembered on this device; and the erasure of all that is known of a person.

import { get, path, request } from "./api.js";
import { lookUp, titleOf } from "./catalogue.js";
import { announce, dialog, h, show } from "./dom.js";
import { hash } from "./poster.js";
import { ago } from "./words.js";

const KEY = "freshet.people"; // the newest first
const HERE = "freshet.person"; // of this tab: another one may show somebody else
const ERASED = "freshet.erased";
const KEPT = 6;
const DID = { watches: "watched", likes: "liked", skips: "skipped", hides: "hid", follows: "followed" };

/** People of this device, the one of this tab in front; a made-up one where there is none. */
export function people() {
  const here = sessionStorage.getItem(HERE);
  const others = kept().filter((one) => one !== here);
  if (here || others.length) return here ? [here, ...others] : (take(others[0]), others);
  const guest = `guest-${Math.random().toString(36).slice(2, 7)}`;
  keep([guest]);
  take(guest);
  return [guest];
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "[]").filter((one) => typeof one === "string" && one);
  } catch {
    return []; // what is damaged is made again
  }
}

const keep = (ids) => localStorage.setItem(KEY, JSON.stringify(ids.slice(0, KEPT)));
const take = (id) => sessionStorage.setItem(HERE, id);

/** Nobody of this device and of this tab is this person any more. */
function forget(user) {
  keep(kept().filter((one) => one !== user));
  sessionStorage.removeItem(HERE);
}

/** Call `changed` with true where another tab erases the person of this one. */
export function watchErasures(changed) {
  addEventListener("storage", ({ key, newValue }) => {
    if (key !== ERASED || !newValue || newValue !== sessionStorage.getItem(HERE)) return;
    forget(newValue);
    changed(true);
  });
}

/** The button in the header says who it is. */
export function drawPerson(button) {
  const [user] = people();
  show(button, avatar(user), h("span", { class: "quiet" }, "Person: "), h("span", { class: "person-id" }, user));
}

function avatar(user) {
  return h("span", { class: `avatar tint-${hash(user) % 6}`, "aria-hidden": "true" }, [...user][0].toUpperCase());
}

/** The dialog to choose a person; `changed` is called once another is chosen, or with true once this one was erased. */
export function choosePerson(notify, changed) {
  const [user, ...others] = people();
  const become = (id) => {
    keep([id, ...people().filter((one) => one !== id)]);
    take(id);
    box.close();
    changed(false);
  };
  const input = h("input", { id: "user-id", required: true, maxlength: 256, autocomplete: "off", spellcheck: "false", placeholder: "u42" });
  const form = h(
    "form",
    { onsubmit: (event) => (event.preventDefault(), input.value.trim() && become(input.value.trim())) },
    h("label", { for: "user-id" }, "Any id; one that nobody had yet begins from nothing"),
    h("div", { class: "inline" }, input, h("button", { type: "submit", class: "primary" }, "Be this person")),
  );
  const known = h("div", { class: "profile" }, h("p", { class: "muted" }, "Asking what is known …"));
  const eraseArea = h("div", { class: "erase" });
  const box = dialog(
    user,
    "person-box",
    form,
    others.length ? h("ul", { class: "chips" }, others.map((one) => h("li", {}, h("button", { type: "button", onclick: () => become(one) }, avatar(one), one)))) : null,
    h("section", {}, h("h3", {}, `What is known of ${user}`), known, eraseArea),
  );
  offerErasure();
  tellProfile(user, known);

  function offerErasure() {
    show(eraseArea, h("button", { type: "button", class: "danger", onclick: confirm }, `Erase ${user} …`));
  }
  function confirm() {
    const no = h("button", { type: "button", onclick: offerErasure }, "Keep it");
    show(
      eraseArea,
      h("p", { role: "alert" }, `Everything known of ${user} goes: the profile, the slates, what was learned of this person alone. It cannot be taken back.`),
      h("div", { class: "inline" }, no, h("button", { type: "button", class: "danger sure", onclick: erase }, "Erase for good")),
    );
    no.focus();
  }
  async function erase() {
    try {
      await request("DELETE", path`/v1/users/${user}`);
      announce(`The erasure of ${user} was asked for.`);
      forget(user);
      localStorage.setItem(ERASED, user); // other tabs hear of it, and
      localStorage.removeItem(ERASED); // nothing keeps whom it was
      box.close();
      changed(true); // and nothing more is said of this person
    } catch (error) {
      box.close();
      notify(error);
    }
  }
}

async function tellProfile(user, element) {
  try {
    const profile = await get(path`/v1/users/${user}/profile`);
    const interactions = newest(profile);
    await lookUp(interactions.map((one) => one.video_id));
    show(
      element,
      h("ul", { class: "interactions" }, interactions.map((one) => h("li", {}, h("b", {}, DID[one.kind] ?? String(one.kind)), h("span", {}, titleOf(one.video_id)), one.at_ms ? h("time", {}, ago(one.at_ms)) : null))),
      interactions.length ? null : h("p", { class: "muted" }, "No interaction is kept."),
    );
  } catch (error) {
    show(element, h("p", { class: "muted" }, error.status === 404 ? "Nothing: no event of theirs was accepted." : error.message));
  }
}

/** The newest interactions of a profile, which groups them by kind. */
function newest(profile) {
  return Object.entries(profile).flatMap(([name, value]) => (Array.isArray(value) ? value.filter((one) => one?.video_id).map((one) => ({ kind: name, ...one })) : []))
    .sort((one, other) => (other.at_ms ?? 0) - (one.at_ms ?? 0))
    .slice(0, 8);
}

