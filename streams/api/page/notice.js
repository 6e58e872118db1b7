// What is wrong, in one line, with what helps; and that it is over.

import { isPassing, keepToken, retryAfter, token } from "./api.js";
import { dialog, h, show } from "./dom.js";

/**
 * Makes the notifier: `notify(error, again)` shows an error and tries again where that may help. Null says that it is over:
 * what waits to be tried is tried at once. `notify.forget()` drops what a view wanted to read; what `notify.unsent(error, again)`
 * was called with, something that a person did, stays until it is sent, or until `notify.forget(true)`.
 */
export function notifier(restart) {
  const bar = document.getElementById("notice");
  let tries = 0;
  let timer = 0;
  let asking = null;
  let waiting = []; // what is to be tried again
  let unsent = []; // the same, of what a person did
  let refused = []; // of that, what waits for a token

  function clear() {
    clearTimeout(timer);
    waiting = [];
    unsent = [];
    tries = 0;
    if (!refused.length) hide();
  }

  function hide() {
    bar.hidden = true;
    show(bar);
  }

  function tryAll() {
    const due = [...waiting, ...unsent];
    clear();
    due.forEach((again) => again());
  }

  function tryLater() {
    const due = [...waiting, ...unsent];
    waiting = [];
    unsent = [];
    due.forEach((again) => again());
  }

  notify.forget = (everything = false) => {
    if (everything) [unsent, refused] = [[], []];
    waiting = [];
    if (!unsent.length) clear();
  };
  notify.unsent = (error, again) => {
    if (isPassing(error)) unsent.push(again);
    else if (isToken(error)) refused.push(again);
    notify(error);
  };
  return notify;

  function notify(error, again = null) {
    if (!error) return tryAll();
    clearTimeout(timer);
    bar.hidden = false;
    if (isToken(error)) {
      show(bar, h("span", {}, error.message), h("button", { type: "button", onclick: ask }, "Give a token"));
      return error.status === 401 ? ask() : undefined;
    }
    const notYet = unsent.length ? "What you did is not stored yet." : `Not ready yet: ${error.message}`; // what senders are told helps no person
    const what = error.status === 503 ? notYet : error.message;
    const passing = isPassing(error);
    if (again && passing) waiting.push(again);
    const due = waiting.length + unsent.length;
    const now = due > 0 && h("button", { type: "button", onclick: tryAll }, "Try now");
    const away = !passing && h("button", { type: "button", onclick: hide }, "Close");
    show(bar, h("span", {}, `${what}${passing ? " Trying again." : ""}`), now, away);
    if (due) timer = setTimeout(tryLater, retryAfter(tries++));
    return undefined;
  }

  /** With another token: the view anew, and what the one before was refused. */
  function sendRefused() {
    unsent.push(...refused);
    refused = [];
    restart();
    tryAll();
  }

  function ask() {
    if (asking?.open) return;
    const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true, pattern: "[!-~]+", $value: token() });
    const form = h(
      "form",
      { method: "dialog", onsubmit: () => (keepToken(input.value.trim()), sendRefused()) },
      h("label", { for: "token" }, "The one for writing (FRESHET_API_WRITE_TOKEN) does everything here; the one for reading only looks. It stays in a cookie of this device."),
      input,
      h("button", { type: "submit", class: "primary" }, "Use it"),
    );
    asking = dialog("This API asks for a token", "token-box", form);
  }
}

/** Whether a token is missing, or is not enough. */
const isToken = (error) => error.status === 401 || (error.status === 403 && token() !== "");
