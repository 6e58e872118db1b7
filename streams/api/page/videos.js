// Lists of videos: what trends, what a search finds, what is similar to a card.

import { get, path, Refused } from "./api.js";
import { learn, lookUp, titleOf, video } from "./catalogue.js";
import { announce, dialog, h, show } from "./dom.js";
import { subject } from "./poster.js";
import { thumbnail } from "./queue.js";
import { percent } from "./words.js";

const TYPING_MS = 180;
const RESULTS = 24;
const SIMILAR = 12;
const SENSES = { image_text: " · seen", audio_text: " · heard" }; // by what the words of a search fit, if not by the text

/** Cards of found videos; each opens on a click. */
function grid(items, open, figure, ranked) {
  return h(
    ranked ? "ol" : "ul",
    { class: ranked ? "grid ranked" : "grid" },
    items.map((item, at) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "tile", "data-id": item.video_id, onclick: () => open(item.video_id) },
          h("span", { class: "tile-picture" }, thumbnail(video(item.video_id)), ranked ? h("span", { class: "tile-rank" }, at + 1) : null),
          h("span", { class: "tile-title" }, titleOf(item.video_id)),
          h("span", { class: "tile-more" }, [aboutOf(item.video_id), figure(item)].filter(Boolean).join(" · ")),
        ),
      ),
    ),
  );
}

function aboutOf(id) {
  const about = subject(video(id));
  return about === id ? "" : about;
}

async function known(items) {
  learn(items.filter((item) => item.title).map(({ video_id, title }) => ({ video_id, title })));
  await lookUp(items.map((item) => item.video_id));
}

/** What many people watch now. */
export function showTrending(root, { notify, open }) {
  const list = h("div", { "aria-busy": "true" }, h("p", { class: "empty" }, "Reading what people watch …"));
  show(root, h("div", { class: "page" }, h("h1", {}, "Trending"), h("p", { class: "lead" }, "What many people watch or like now; each person counts once for a video."), list));
  let stopped = false;
  const load = async () => {
    try {
      const { items } = await get(`/v1/trending?k=${RESULTS}`);
      await known(items);
      if (stopped) return;
      notify(null);
      const most = Math.max(...items.map((item) => item.share ?? 0));
      show(list, items.length ? grid(items, open, (item) => (item.share && most ? `${percent(item.share)} of people now` : ""), true) : h("p", { class: "empty" }, "Nothing trends yet."));
      list.removeAttribute("aria-busy");
    } catch (error) {
      if (!stopped) notify(error, load);
    }
  };
  load();
  return { end: () => (stopped = true) };
}

/** Search by meaning, while one types. */
export function showSearch(root, { notify, open, words }) {
  const input = h("input", { type: "search", id: "words", name: "q", placeholder: "cats that fall off sofas", autocomplete: "off", spellcheck: "false", $value: words ?? "", maxlength: 400 });
  const said = h("p", { class: "lead", role: "status" }, "By meaning, not by letters: say what happens in the video.");
  const found = h("div", { class: "found" });
  let timer = 0;
  let asked = new AbortController();
  const search = async () => {
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    const q = input.value.trim();
    history.replaceState(null, "", q ? `#/search?q=${encodeURIComponent(q)}` : "#/search");
    if (!q) return suggest(signal);
    try {
      const began = performance.now();
      const { items, complete, note } = await get(path`/v1/search?q=${q}&k=${RESULTS}`, { signal });
      const ms = Math.round(performance.now() - began);
      await known(items);
      if (signal.aborted) return undefined;
      notify(null);
      said.textContent = note ?? `${items.length || "No"} ${items.length === 1 ? "video" : "videos"} in ${ms} ms${complete === false ? "; the index is not complete yet" : ""}.`;
      show(found, items.length ? grid(items, open, (item) => `${item.score.toFixed(2)}${SENSES[item.by] ?? ""}`) : null);
    } catch (error) {
      if (error.name !== "AbortError") notify(error, search);
    }
    return undefined;
  };
  /** Nothing asked yet: what people watch now is something to begin with. */
  async function suggest(signal) {
    show(found);
    try {
      const { items } = await get(`/v1/trending?k=${RESULTS}`);
      await known(items);
      const subjects = [...new Set(items.map((item) => aboutOf(item.video_id)).filter(Boolean))].slice(0, 10);
      if (input.value.trim() || signal.aborted) return;
      notify(null);
      show(found, h("ul", { class: "chips suggestions" }, subjects.map((one) => h("li", {}, h("button", { type: "button", onclick: () => ((input.value = one), search()) }, one)))));
    } catch (error) {
      if (!signal.aborted) notify(error, search);
    }
  }
  input.addEventListener("input", () => (clearTimeout(timer), (timer = setTimeout(search, TYPING_MS))));
  show(
    root,
    h(
      "div",
      { class: "page" },
      h("h1", {}, "Search"),
      h("form", { role: "search", class: "search", onsubmit: (event) => (event.preventDefault(), search()) }, h("label", { for: "words", class: "quiet" }, "Search videos by what happens in them"), input),
      said,
      found,
    ),
  );
  input.focus({ preventScroll: true });
  search();
  return { end: () => (clearTimeout(timer), asked.abort()) };
}

/** A dialog with the videos that are nearest to one. */
export async function showSimilar(videoId, open) {
  const list = h("div", {}, h("p", { class: "empty" }, "Looking for its neighbours …"));
  const box = dialog(`Similar to “${titleOf(videoId)}”`, "similar-box", list);
  try {
    const { items } = await get(path`/v1/videos/${videoId}/similar?k=${SIMILAR}`);
    await known(items);
    show(list, items.length ? grid(items, (id) => (box.close(), open(id)), (item) => item.score.toFixed(2)) : h("p", { class: "empty" }, "Nothing is near it."));
    announce(`${items.length} similar videos.`);
  } catch (error) {
    show(list, h("p", { class: "empty" }, error instanceof Refused ? error.message : String(error)));
  }
}
