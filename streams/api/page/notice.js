// What is wrong, in one line, with what helps; and that it is over.

import { isPassing, keepToken, retryAfter, token } from "./api.js";
import { dialog, h, show } from "./dom.js";

/**
 * Makes the notifier: `notify(error, again)` shows an error and tries again where that may help. Null says that it is over:
 * what waits to be tried is tried at once. `notify.forget()` drops it.
 */
export function notifier(restart) {
  const bar = document.getElementById("notice");
  let tries = 0;
  let timer = 0;
  let asking = null;
  let waiting = []; // what is to be tried again

  function clear() {
    clearTimeout(timer);
    waiting = [];
    tries = 0;
    bar.hidden = true;
    show(bar);
  }

  function tryAll() {
    const due = waiting;
    clear();
    due.forEach((again) => again());
  }

  function tryLater() {
    const due = waiting;
    waiting = [];
    due.forEach((again) => again());
  }

  notify.forget = clear;
  return notify;

  function notify(error, again = null) {
    if (!error) return tryAll();
    clearTimeout(timer);
    bar.hidden = false;
    if (error.status === 401 || (error.status === 403 && token())) {
      show(bar, h("span", {}, error.message), h("button", { type: "button", onclick: ask }, "Give a token"));
      return error.status === 401 ? ask() : undefined;
    }
    const what = error.status === 503 ? `Not ready yet: ${error.message}` : error.message;
    const passing = isPassing(error);
    if (again) waiting.push(again);
    const now = waiting.length > 0 && h("button", { type: "button", onclick: tryAll }, "Try now");
    const away = !passing && h("button", { type: "button", onclick: clear }, "Close");
    show(bar, h("span", {}, `${what}${passing ? " Trying again." : ""}`), now, away);
    if (waiting.length && passing) timer = setTimeout(tryLater, retryAfter(tries++));
    return undefined;
  }

  function ask() {
    if (asking?.open) return;
    const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true, pattern: "[!-~]+", $value: token() });
    const form = h(
      "form",
      { method: "dialog", onsubmit: () => (keepToken(input.value.trim()), clear(), restart()) },
      h("label", { for: "token" }, "The one for writing (FRESHET_API_WRITE_TOKEN) does everything here; the one for reading only looks. It stays in a cookie of this device."),
      input,
      h("button", { type: "submit", class: "primary" }, "Use it"),
    );
    asking = dialog("This API asks for a token", "token-box", form);
  }
}
