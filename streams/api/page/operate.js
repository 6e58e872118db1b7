// The operator's view: workers, rates, how long an event takes to its slate, dead letters, the model.

import { get, path } from "./api.js";
import { figure, histogram, sparkline } from "./charts.js";
import { dialog, h, show } from "./dom.js";
import { ago, count, duration } from "./words.js";

const POLL_MS = 2000;
const KEPT = 60; // samples of each rate
const STATES = { ready: "good", recovering: "busy", starting: "busy", waiting: "warn", unassigned: "bad", stopping: "warn" };

/** The view; it asks again every two seconds while it is seen. */
export function showOperate(root, { notify }) {
  const places = Object.fromEntries(["health", "latency", "workers", "rates", "letters", "model"].map((name) => [name, h("div", {})]));
  const rates = new Map();
  const models = new Map(); // part → { version, sinceMs, changes }
  const quality = new Map();
  let timer = 0;
  let stopped = false;

  async function load() {
    clearTimeout(timer);
    try {
      const [status, ready] = await Promise.all([get("/v1/status"), readiness()]);
      if (stopped) return;
      notify(null);
      draw(status, ready);
      timer = setTimeout(load, document.hidden ? POLL_MS * 5 : POLL_MS);
    } catch (error) {
      if (!stopped) notify(error, load);
    }
  }

  function draw(status, ready) {
    const workers = status.workers ?? [];
    const letters = Object.entries(status.dead_letters ?? {}).sort((one, other) => other[1] - one[1]);
    const total = Object.entries(status.rates ?? {});
    show(places.health, healthOf(ready, workers), figure(latencyText(status, "p50"), "event → slate, p50"), figure(latencyText(status, "p99"), "p99"), figure(count(sum(total)), "records a second"), figure(count(sum(letters)), "dead letters, 24 h"));
    show(places.latency, latencyOf(status.latency_ms, Math.max(280, places.latency.clientWidth)));
    show(places.workers, workersOf(workers));
    note(rates, total);
    show(places.rates, total.length ? ratesOf(rates) : empty("No topic has been heard of yet."));
    show(places.letters, letters.length ? lettersOf(letters) : empty("None. What cannot be used would be here, with its reason."));
    noteModels(models, status.model ?? {});
    note(quality, Object.entries(status.model?.quality ?? {}).filter(([, value]) => typeof value === "number"));
    show(places.model, modelsOf(models, quality));
  }

  show(
    root,
    h(
      "div",
      { class: "page wide" },
      h("h1", {}, "Operate"),
      h("section", { class: "health", "aria-label": "At a glance" }, places.health),
      h(
        "div",
        { class: "panels" },
        panel("From event to slate", "wide", places.latency),
        panel("Workers", "wide", places.workers),
        panel("Rates", "", places.rates),
        panel("Dead letters", "", places.letters),
        panel("Model", "wide", places.model),
      ),
    ),
  );
  load();
  return { end: () => (clearTimeout(timer), (stopped = true)) };
}

const sum = (pairs) => pairs.reduce((all, [, n]) => all + Number(n), 0);
const empty = (text) => h("p", { class: "muted" }, text);
const latencyText = (status, name) => (status.latency_ms?.[name] ? duration(status.latency_ms[name]) : "–");

function panel(title, className, content) {
  return h("section", { class: `panel ${className}`, "aria-label": title }, h("h2", {}, title), content);
}

async function readiness() {
  try {
    await get("/readyz");
    return "";
  } catch (error) {
    if (error.status === 0 || error.status === 401) throw error;
    return error.message || "not ready";
  }
}

function healthOf(notReady, workers) {
  const behind = workers.filter((one) => one.state !== "ready");
  const state = notReady ? "bad" : behind.length ? "warn" : "good";
  const text = notReady ? "Not ready" : behind.length ? "Partly" : "Healthy";
  const note = notReady || (behind.length ? behind.map((one) => `${one.agent} is ${one.state}`).join(", ") : `${workers.length} workers ready`);
  return h("div", { class: "figure", "data-health": state }, h("b", {}, h("i", { class: `lamp ${state}`, "aria-hidden": "true" }), text), h("span", {}, note));
}

function latencyOf(latency, width) {
  const bins = (latency?.histogram ?? []).map(([bound, n], at, all) => [bound, n - (at ? all[at - 1][1] : 0)]); // it is cumulative
  if (!bins.some(([, n]) => n > 0)) return empty("No slate has been seen yet. A like in the feed brings one.");
  return [histogram(bins, { p50: latency.p50, p99: latency.p99 }, width), empty(`From the event's own time. ${latency.late ?? 0} slates of events published more than ten minutes late are left out.`)];
}

function workersOf(workers) {
  if (!workers.length) return empty("No worker of this machine is known. `freshet up` starts them.");
  return table(
    ["agent", "state", "lag", "in flight", "last heard", "note"],
    workers.map((one) => [
      h("b", {}, one.agent),
      h("span", { class: "state" }, h("i", { class: `lamp ${STATES[one.state] ?? "warn"}`, "aria-hidden": "true" }), one.state),
      h("span", { title: Object.entries(one.lag ?? {}).map(([place, n]) => `${place} ${n}`).join("\n") }, count(sum(Object.entries(one.lag ?? {})))),
      count(one.in_flight ?? 0),
      ago(one.at_ms),
      [...(one.waits_for ?? []).map((what) => `waits for ${what}`), one.trouble].filter(Boolean).join("; ") || "–",
    ]),
  );
}

function table(heads, rows) {
  return h(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": heads.join(", ") },
    h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))),
  );
}

function note(series, pairs) {
  for (const [name, value] of pairs) series.set(name, [...(series.get(name) ?? []), Number(value)].slice(-KEPT));
}

function ratesOf(rates) {
  const busy = [...rates].filter(([, values]) => values.some((value) => value > 0));
  const quiet = [...rates.keys()].filter((topic) => !busy.some(([name]) => name === topic));
  return [h("ul", { class: "rates" }, busy.map(([topic, values]) => h("li", {}, h("span", {}, topic), sparkline(values, `${topic}: ${count(values.at(-1))} records a second`), h("b", {}, `${count(values.at(-1))}/s`)))), quiet.length ? empty(`Quiet: ${quiet.join(", ")}.`) : null];
}

function lettersOf(letters) {
  const most = letters[0][1];
  return h(
    "ul",
    { class: "letters" },
    letters.map(([reason, n]) => h("li", {}, h("button", { type: "button", "data-reason": reason, onclick: () => showLetters(reason) }, h("span", {}, reason), h("meter", { min: 0, max: most, value: n, "aria-label": `${reason}: ${n}` }), h("b", {}, count(n))))),
  );
}

async function showLetters(reason) {
  const list = h("div", {}, empty("Reading them …"));
  dialog(`Dead letters: ${reason}`, "letters-box", list);
  try {
    const answer = await get(path`/v1/dead-letters?reason=${reason}&limit=20`);
    const found = answer.dead_letters;
    show(list, found.length ? h("ol", { class: "records" }, found.map(letterOf)) : empty("None is left."));
  } catch (error) {
    show(list, empty(error.message));
  }
}

function letterOf(letter) {
  return h(
    "li",
    {},
    h("p", {}, h("b", {}, letter.detail), h("small", {}, [letter.topic, letter.place, ago(letter.written_ms), letter.attempts > 1 && `${letter.attempts} attempts`].filter(Boolean).join(" · "))),
    h("pre", { tabindex: "0" }, letter.value),
  );
}

function noteModels(models, model) {
  for (const [part, version] of Object.entries(model)) {
    if (version === null || typeof version === "object") continue;
    const known = models.get(part);
    if (!known) models.set(part, { version, sinceMs: null, changes: 0 });
    else if (known.version !== version) models.set(part, { version, sinceMs: Date.now(), changes: known.changes + 1 });
  }
}

function modelsOf(models, quality) {
  if (!models.size) return empty("No slate has named its model yet.");
  const rows = [...models].map(([part, { version, sinceMs, changes }]) => [h("b", {}, part), h("code", {}, String(version)), sinceMs ? `${ago(sinceMs)}, ${changes} since you look` : "since before you look"]);
  const lines = [...quality].map(([name, values]) => h("li", {}, h("span", {}, name.replaceAll("_", " ")), sparkline(values, `${name}: ${values.at(-1)}`), h("b", {}, values.at(-1).toFixed(4))));
  return [table(["part", "version", "changed"], rows), lines.length ? h("ul", { class: "rates" }, lines) : null];
}
