// Upload a clip, and watch where it arrives: the catalogue, the search, somebody's slate.

import { get, isPassing, path, post, request } from "./api.js";
import { learn } from "./catalogue.js";
import { announce, h, icon, show } from "./dom.js";
import { duration } from "./words.js";

const POLL_MS = 400;
const LIMIT_MS = 180_000;

const STEPS = [
  ["stored", "The file is stored"],
  ["accepted", "The upload is accepted"],
  ["known", "Its content is understood"],
  ["found", "A search for its title finds it"],
  ["slate", "It is in your slate"],
];

/** The form and, once something was published, how far it has come. */
export function showUpload(root, { user, notify, open }) {
  const file = h("input", { type: "file", id: "clip", accept: "video/*,audio/*,image/*", onchange: () => named() });
  const chosen = h("span", { class: "drop-text" }, "Choose a clip, or drop it here");
  const drop = h("label", { for: "clip", class: "drop" }, icon("upload"), chosen, h("small", {}, "Video or sound; without one, its words alone are read"));
  const title = h("input", { id: "title", required: true, maxlength: 300, autocomplete: "off", placeholder: "Street food in Osaka" });
  const tags = h("input", { id: "tags", autocomplete: "off", placeholder: "food, japan" });
  const creator = h("input", { id: "creator", autocomplete: "off", $value: `${user}-studio`, maxlength: 256 });
  const button = h("button", { type: "submit", class: "primary" }, "Publish");
  const journey = h("section", { class: "journey", "aria-live": "polite", "aria-label": "Who gets it" });
  let stop = () => {};

  const named = () => {
    const [clip] = file.files;
    chosen.textContent = clip ? clip.name : "Choose a clip, or drop it here";
    if (clip && !title.value) title.value = clip.name.replace(/\.[^.]+$/, "").replace(/[_-]+/g, " ");
  };
  drop.addEventListener("dragover", (event) => (event.preventDefault(), drop.classList.add("over")));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    file.files = event.dataTransfer.files;
    named();
  });

  async function publish(event) {
    event.preventDefault();
    stop();
    const videoId = `page-${Date.now().toString(36)}`;
    const upload = { kind: "upload", video_id: videoId, at_ms: Date.now(), title: title.value.trim() };
    const words = tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
    if (words.length) upload.tags = words;
    if (creator.value.trim()) upload.creator_id = creator.value.trim();
    await send(upload, file.files[0], makeJourney(journey, open, videoId));
  }

  /** Send the file and then the upload; again as long as the API is away, and by the same id. */
  async function send(upload, clip, way) {
    button.disabled = true;
    try {
      if (!clip) way.leftOut("stored", "no file");
      else if (!way.is("stored")) {
        upload[clip.type.startsWith("image/") ? "thumbnail_uri" : "media_uri"] = await store(upload.video_id, clip);
        way.reached("stored");
      }
      const place = await post("/v1/videos", upload);
      way.reached("accepted", `partition ${place.partition}, offset ${place.offset}`);
      notify(null);
      button.disabled = false;
      stop = followUpload(upload.video_id, upload.title, user, way);
    } catch (error) {
      button.disabled = isPassing(error);
      if (!isPassing(error)) way.failed();
      notify(error, () => send(upload, clip, way));
    }
  }

  show(
    root,
    h(
      "div",
      { class: "page narrow" },
      h("h1", {}, "Upload"),
      h("p", { class: "lead" }, "A clip is understood by its words, pictures and sound, and can be found and recommended within seconds."),
      h(
        "form",
        { class: "upload", onsubmit: publish },
        file,
        drop,
        h("div", { class: "field" }, h("label", { for: "title" }, "Title"), title),
        h("div", { class: "field" }, h("label", { for: "tags" }, "Tags, with commas between"), tags),
        h("div", { class: "field" }, h("label", { for: "creator" }, "Creator (nobody gets their own videos)"), creator),
        button,
      ),
      journey,
    ),
  );
  return { end: () => stop() };
}

async function store(videoId, clip) {
  const suffix = /\.[A-Za-z0-9]{1,8}$/.exec(clip.name)?.[0].toLowerCase() ?? "";
  return (await request("PUT", path`/v1/media/${videoId + suffix}`, { file: clip })).media_uri;
}

function makeJourney(element, open, videoId) {
  const began = performance.now();
  const rows = new Map(STEPS.map(([name, words]) => [name, h("li", { "data-step": name, "data-state": "waits" }, h("i", { "aria-hidden": "true" }), h("span", {}, words), h("b", {}))]));
  const more = h("p", { class: "muted" });
  const set = (name, state, text) => {
    const row = rows.get(name);
    if (row.dataset.state === "done") return;
    row.dataset.state = state;
    row.querySelector("b").textContent = text;
  };
  show(element, h("h2", {}, "Who gets it"), h("ol", { class: "steps" }, [...rows.values()]), more, h("button", { type: "button", onclick: () => open(videoId) }, "Watch it"));
  return {
    reached(name, note = "") {
      if (rows.get(name).dataset.state === "done") return;
      set(name, "done", [duration(performance.now() - began), note].filter(Boolean).join(" · "));
      announce(`${rows.get(name).querySelector("span").textContent}.`);
    },
    leftOut: (name, why) => set(name, "out", why),
    is: (name) => rows.get(name).dataset.state === "done",
    say: (text) => (more.textContent = text),
    failed: () => STEPS.forEach(([name]) => rows.get(name).dataset.state === "waits" && set(name, "out", "not reached")),
  };
}

/** The labels that say most of a video; every video has shares of what moderation looks for, also where these are nothing. */
const seenIn = (video) =>
  Object.entries(video.labels ?? {})
    .filter(([name]) => !name.startsWith("safety:"))
    .sort((one, other) => other[1] - one[1])
    .slice(0, 3)
    .map(([name]) => name);

/** Ask again and again how far an upload has come; gives what stops it. */
function followUpload(videoId, title, user, way) {
  const end = performance.now() + LIMIT_MS;
  let stopped = false;
  const tries = {
    known: async () => {
      const found = (await post("/v1/videos/lookup", { video_ids: [videoId] })).videos[videoId];
      if (!found) return;
      learn([found]);
      way.reached("known", [(found.modalities ?? []).join(" + "), seenIn(found).join(", ")].filter(Boolean).join(": "));
    },
    found: async () => {
      const { items, note } = await get(path`/v1/search?q=${title}&k=20`);
      if (note) return (delete tries.found, way.leftOut("found", "there is no word in it")); // an emoji finds nothing
      const at = items.findIndex((item) => item.video_id === videoId);
      if (at >= 0) way.reached("found", `place ${at + 1}`);
    },
    slate: async () => {
      const { slate } = await get(path`/v1/users/${user}/slate`);
      const item = slate?.items.find((one) => one.video_id === videoId);
      if (item) way.reached("slate", `rank ${item.rank}`);
      else if (way.is("known")) way.say("A slate answers what somebody does, so it can be in yours from your next like, watch or skip on.");
    },
  };
  (async () => {
    while (!stopped && performance.now() < end && !Object.keys(tries).every(way.is)) {
      for (const [name, attempt] of Object.entries(tries)) {
        if (stopped) return;
        if (!way.is(name)) await attempt().catch(() => {}); // not there yet, or away: asked again
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  })();
  return () => (stopped = true);
}
