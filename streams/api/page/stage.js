// The card that is being watched: picture or clip, what it is, why it is here, and what one can do with it.

import { video, titleOf } from "./catalogue.js";
import { h, icon, show, still } from "./dom.js";
import { player } from "./player.js";
import { subject } from "./poster.js";
import { swipeable } from "./swipe.js";
import { SHARE, clock, duration, shareInWords, whyInWords } from "./words.js";

const ACTIONS = [
  ["like", "Like", "l"],
  ["skip", "Skip", "s"],
  ["hide", "Hide", "h"],
  ["similar", "Similar", "m"],
  ["why", "Why this", "w"],
];

/** The stage; `on` has a function for each action, and `end` for a card that was watched to its end. */
export function makeStage(on, did) {
  const title = h("h2", { id: "now-title" });
  const details = h("p", { class: "details" });
  const why = h("button", { type: "button", class: "why", onclick: () => on.why() });
  const picture = h("div", { class: "frame" });
  const buttons = Object.fromEntries(ACTIONS.map((action) => [action[0], actionButton(action, on)]));
  const play = h("button", { type: "button", class: "round play", "aria-label": "Play", onclick: () => toggle() });
  const slider = h("input", { type: "range", min: 0, max: 1000, value: 0, class: "watched", oninput: () => seek() });
  const time = h("span", { class: "time" });
  const sound = h("button", { type: "button", class: "round play", "aria-pressed": "false", hidden: true, onclick: () => hear() }, icon("sound"), h("span", { class: "quiet" }, "Sound"));
  const card = h(
    "article",
    { class: "card", "aria-labelledby": "now-title", "data-id": "" },
    picture,
    h("div", { class: "caption" }, why, title, details),
    h("div", { class: "rail", role: "group", "aria-label": "What you think of it" }, Object.values(buttons)),
    h("div", { class: "controls" }, play, slider, time, sound),
    h("span", { class: "stamp stamp-like", "aria-hidden": "true" }, "Like"),
    h("span", { class: "stamp stamp-skip", "aria-hidden": "true" }, "Skip"),
    h("span", { class: "stamp stamp-hide", "aria-hidden": "true" }, "Hide"),
  );
  swipeable(card, { right: () => on.like(), left: () => on.skip(), farLeft: () => on.hide() });
  let running = null;

  function seek() {
    running?.seek((slider.value / 1000) * running.durationMs);
  }
  function toggle() {
    if (running?.playing) running.pause();
    else running?.play();
  }
  function hear() {
    const on = sound.getAttribute("aria-pressed") !== "true";
    sound.setAttribute("aria-pressed", on);
    running?.sound(on);
  }
  function tick(state) {
    sound.hidden = !state.isClip();
    slider.value = Math.round((state.positionMs / state.durationMs) * 1000);
    slider.style.setProperty("--done", `${slider.value / 10}%`);
    slider.setAttribute("aria-valuetext", `${clock(state.positionMs)} of ${clock(state.durationMs)}`);
    slider.setAttribute("aria-label", state.isClip() ? "Position in the clip" : "How far you watched");
    time.textContent = `${clock(state.positionMs)} / ${clock(state.durationMs)}`;
    const label = state.playing ? "Pause" : "Play";
    if (play.getAttribute("aria-label") !== label || !play.firstChild) {
      play.setAttribute("aria-label", label);
      show(play, icon(label.toLowerCase()));
    }
  }

  return {
    element: card,
    /** Show a card; `entering` says from where it comes: 1 from below, -1 from above. */
    open(now, entering) {
      running?.end();
      card.dataset.id = now.item.video_id;
      running = player(video(now.item.video_id), { onTick: tick, onEnd: on.end });
      show(picture, running.element);
      this.describe(now);
      tick(running);
      if (!still()) {
        card.animate([{ opacity: 0, transform: `translateY(${entering * 36}px) scale(.98)` }, { opacity: 1, transform: "none" }], { duration: 300, easing: "cubic-bezier(.2, .8, .2, 1)" });
        if (!document.hidden) running.play();
      }
    },
    /** Say again what a card is: its title may have come meanwhile, or it was liked. */
    describe(now) {
      const known = video(now.item.video_id);
      title.textContent = titleOf(now.item.video_id);
      const isSubject = subject(known) !== known.video_id && subject(known) !== known.creator_id;
      details.textContent = [known.creator_id && `by ${known.creator_id}`, isSubject && `#${subject(known)}`, now.answeredMs && `answered in ${duration(now.answeredMs)}`].filter(Boolean).join("  ");
      show(why, h("span", {}, now.item.rank ? whyInWords(now.item, titleOf, did) : "opened by you"), h("b", { title: SHARE }, shareInWords(now.item)));
      const liked = now.done.has("like");
      buttons.like.setAttribute("aria-pressed", liked);
      buttons.like.classList.toggle("on", liked);
    },
    /** Draw a card again whose pictures have become known, if nothing was watched yet. */
    redraw(now) {
      if (running && running.watchedMs < 1500) this.open(now, 0);
      else this.describe(now);
    },
    toggle,
    pause: () => running?.pause(),
    watched: () => ({ watchedMs: Math.round(running?.watchedMs ?? 0), durationMs: running?.durationMs ?? 0 }),
    /** The heart beats once. */
    beat() {
      if (!still()) buttons.like.animate([{ transform: "scale(1)" }, { transform: "scale(1.32)" }, { transform: "scale(1)" }], { duration: 260 });
    },
    end: () => running?.end(),
  };
}

function actionButton([name, label, key], on) {
  return h(
    "button",
    { type: "button", class: `action ${name}`, "aria-keyshortcuts": key, title: `${label} (${key})`, onclick: () => on[name]() },
    icon(name),
    h("span", {}, label),
  );
}
