// Plays a card: its clip where this host has it; otherwise its poster for as long as the video lasts, by the clock.

import { mediaAddress } from "./api.js";
import { h } from "./dom.js";
import { hash, poster } from "./poster.js";

const STEP_MS = 200; // of a poster's clock
const MAX_STEP_MS = 1000; // a longer step of a clip is a jump, not watching
const [LEAST_MS, MOST_MS] = [15_000, 45_000]; // how long a poster stands for a video whose length is not known

let hasSound = false; // a browser plays no sound before the person has asked for it

/** A player of one video. `onTick` is called while it moves, `onEnd` once the end is reached. */
export function player(video, { onTick, onEnd }) {
  const thumbnail = mediaAddress(video.thumbnail_uri);
  const box = h("div", { class: "picture" }, poster(video), thumbnail && h("img", { src: thumbnail, alt: "", onerror: (event) => event.target.remove() }));
  const state = { element: box, watchedMs: 0, positionMs: 0, durationMs: video.duration_ms || madeUpLength(video), playing: false };
  let ended = false;
  let clip = null;
  let timer = 0;

  function move(positionMs, watchedMs) {
    state.positionMs = Math.min(positionMs, state.durationMs);
    state.watchedMs += watchedMs;
    onTick(state);
    if (state.positionMs >= state.durationMs && !ended) {
      ended = true;
      state.pause();
      onEnd(state);
    }
  }

  state.isClip = () => clip !== null;
  state.sound = (on) => {
    hasSound = on;
    if (clip) clip.muted = !on;
    onTick(state);
  };
  state.play = () => {
    if (state.playing) return;
    if (state.positionMs >= state.durationMs) state.positionMs = 0;
    state.playing = true;
    if (clip) clip.play().catch(() => state.pause());
    else timer = setInterval(() => move(state.positionMs + STEP_MS, STEP_MS), STEP_MS);
    onTick(state);
  };
  state.pause = () => {
    state.playing = false;
    clearInterval(timer);
    clip?.pause();
    onTick(state);
  };
  /** Jump. Of a clip, what is jumped over was not watched; of a poster, the person says how far they watched. */
  state.seek = (positionMs) => {
    if (clip) clip.currentTime = positionMs / 1000;
    else state.watchedMs = positionMs;
    move(positionMs, 0);
  };
  state.end = () => {
    clearInterval(timer);
    clip?.remove();
  };

  const address = mediaAddress(video.media_uri);
  if (address) load(address);
  return state;

  function load(source) {
    const element = h("video", { src: source, playsinline: true, preload: "auto", $muted: !hasSound, tabindex: "-1" });
    let last = 0;
    element.addEventListener("loadedmetadata", () => {
      if (!element.videoWidth) return; // sound alone keeps its poster in front
      element.classList.add("there");
    });
    element.addEventListener("durationchange", () => {
      if (Number.isFinite(element.duration)) state.durationMs = Math.round(element.duration * 1000);
      onTick(state);
    });
    element.addEventListener("canplay", () => {
      if (clip) return;
      const playing = state.playing;
      state.pause();
      [clip, state.positionMs, state.watchedMs] = [element, 0, 0];
      if (playing) state.play();
    });
    element.addEventListener("timeupdate", () => {
      const at = element.currentTime * 1000;
      const step = at - last;
      last = at;
      if (clip) move(at, step > 0 && step < MAX_STEP_MS ? step : 0);
    });
    element.addEventListener("ended", () => clip && move(state.durationMs, 0));
    element.addEventListener("error", () => element.remove()); // the poster stays
    box.append(element);
  }
}

function madeUpLength(video) {
  return LEAST_MS + (hash(`${video.video_id} length`) % (MOST_MS - LEAST_MS));
}
