// The feed of one person: the card that is watched, the rest of the slate, and how fast it follows.

import { answerClock } from "./answers.js";
import { isPassing, post } from "./api.js";
import { learn, lookUp, titleOf } from "./catalogue.js";
import { announce, h, show } from "./dom.js";
import { pulse } from "./pulse.js";
import { makeQueue } from "./queue.js";
import { makeStage } from "./stage.js";
import { follow, sendFeedback } from "./slates.js";
import { showSimilar } from "./videos.js";
import { showWhy } from "./why.js";

const GLANCE_MS = 1000; // less was no watching, only an impression
const DONE = { like: "liked", watch: "watched", skip: "skipped", hide: "hid" };
const MISSING = { vector_index: "without the vector index", ranker: "without the ranker", profile: "without your profile", unseen: "videos come back, as you have seen all others" };
const SESSION = `page-${Date.now().toString(36)}`;

/** Show a person's feed; `notify` says what is wrong, or null; `opened` is a video that they chose elsewhere. */
export function showFeed(root, { user, notify, opened }) {
  const did = new Map(); // video id → what the person did with it in this session, in words
  const gone = new Set(); // left out of what comes next until a slate takes it into account
  const past = []; // cards before this one
  let slate = null;
  let now = null;
  let wanted = opened;

  const act = {
    like: () => now && like(now),
    skip: () => now && leave("skip"),
    hide: () => now && leave("hide"),
    similar: () => now && (stage.pause(), showSimilar(now.item.video_id, open)),
    why: () => now && showWhy(user, now.item, did),
    end: () => now && watched(now),
  };
  const stage = makeStage(act, (id) => did.get(id));
  const queue = makeQueue(
    {
      open: (item) => (settle(), enter(cardOf(item), 1), refresh()),
      like: (item) => like(cardOf(item)),
      skip: (item) => dismiss(item, "skip"),
      hide: (item) => dismiss(item, "hide"),
    },
    (id) => did.get(id),
  );
  const state = h("p", { class: "slate-state" });
  const beat = pulse();
  let answeredMs = null; // how long the slate before one's eyes took
  const clock = answerClock((ms, times) => {
    answeredMs = ms;
    beat.answered(ms, times);
    announce(`Answered in ${Math.round(ms)} milliseconds. Next: ${queued()[0] ? titleOf(queued()[0].video_id) : "nothing"}.`);
    if (!queued().length) beginAgain();
  });
  const empty = h("p", { class: "empty" }, "The first slate is on its way.");
  const stagePlace = h("div", { class: "stage" }, empty);
  show(
    root,
    h("h1", { class: "quiet" }, "Feed"),
    h(
      "div",
      { class: "feed" },
      h("section", { "aria-label": "Now", class: "now" }, stagePlace, keyHelp()),
      h("section", { "aria-labelledby": "next-heading", class: "next" }, h("header", { class: "next-head" }, h("h2", { id: "next-heading" }, "Up next"), beat.element), state, queue.element),
    ),
  );

  const slates = follow(user, take, (error) => {
    beat.away(Boolean(error));
    notify(error);
  });

  function take(answer) {
    const fresh = answer.slate;
    if (!fresh) {
      if (answer.why) empty.textContent = answer.why;
      return;
    }
    if (slate && !answer.cold && fresh.version < slate.version) return; // written late by a worker that was frozen
    if (answer.cold && now && slate?.version > 0 && slate.expires_at_ms > Date.now()) now.done.add("watch"); // erased elsewhere: it is not said
    slate = fresh;
    const ids = [wanted, ...fresh.items.flatMap((item) => [item.video_id, ...(item.reasons ?? []).map((because) => because.video_id)])];
    learn(fresh.items.filter((item) => item.title).map(({ video_id, title }) => ({ video_id, title })));
    const missing = ids.some((id) => id && titleOf(id) === id);
    if (!now) {
      if (missing) return lookUp(ids).then(() => slate === fresh && !now && (first(), refresh(), tell(answer)));
      first();
    }
    refresh(true);
    tell(answer);
    if (fresh.trigger) clock.shown(fresh.trigger);
    if (missing) lookUp(ids).then(() => (queue.describe(), now && stage.describe(now)));
    return undefined;
  }

  function tell(answer) {
    const said = [
      answer.cold ? "A first slate, the same for everybody new: what you do makes it yours" : "",
      ...(slate.degraded ?? []).map((one) => MISSING[one] ?? `without ${one.replaceAll("_", " ")}`),
      slate.expires_at_ms && slate.expires_at_ms < Date.now() ? "This slate has expired: what you do next brings a new one" : "",
      slate.exhausted ? "These are all that may be shown to you" : "",
    ].filter(Boolean);
    state.textContent = said.length ? `${said.join(". ")}.` : "";
  }

  /** The first card: what was chosen elsewhere, or the slate's first. */
  function first() {
    const item = wanted ? { video_id: wanted } : queued()[0];
    wanted = null;
    if (item) enter(cardOf(item), 1);
  }

  const queued = () => (slate?.items ?? []).filter((item) => item.video_id !== now?.item.video_id && !gone.has(item.video_id));
  const refresh = (isNewSlate = false) => queue.show(queued(), isNewSlate);
  const cardOf = (item) => (now?.item.video_id === item.video_id ? now : { item, slateId: item.rank ? slate?.recommendation_id : null, answeredMs: item.rank ? answeredMs : null, atMs: Date.now(), done: new Set() });

  function enter(card, from) {
    if (!stage.element.isConnected) show(stagePlace, stage.element);
    now = card;
    now.atMs = Date.now();
    stage.open(now, from);
  }

  /** The next card, or the one before. */
  function step(by) {
    if (by < 0) {
      const before = past.pop();
      if (before) enter(before, -1);
    } else {
      settle();
      const next = queued()[0];
      if (next) enter(cardOf(next), 1);
      else nothingLeft();
    }
    refresh();
  }

  /** A slate that takes all into account and holds only what was met: there is nothing else, so its videos come back. */
  function beginAgain() {
    if (clock.waits() || !slate?.items.length) return;
    gone.clear();
    if (!now) first();
    refresh();
  }

  function nothingLeft() {
    stage.end();
    now = null;
    show(stagePlace, h("p", { class: "empty" }, "That was all for now. Search, or upload something new."));
    beginAgain();
  }

  /** Say what came of the card that is left, unless it was said before. */
  function settle() {
    if (!now) return;
    past.push(now);
    gone.add(now.item.video_id);
    if (stage.watched().watchedMs >= GLANCE_MS) watched(now);
    else if (!now.done.size && now.slateId) send(now, "impression", {});
  }

  /** Whoever leaves has watched until then. */
  const sayWatched = () => now && stage.watched().watchedMs >= GLANCE_MS && watched(now);
  const look = () => document.hidden && stage.pause(); // what nobody sees is not watched
  addEventListener("pagehide", sayWatched);
  document.addEventListener("visibilitychange", look);

  function watched(card) {
    if (card.done.has("watch") || card.done.has("skip")) return;
    const { watchedMs, durationMs } = stage.watched();
    send(card, "watch", { watched_ms: watchedMs, duration_ms: durationMs });
  }

  function like(card) {
    if (card.done.has("like")) return;
    send(card, "like", {});
    if (card === now) {
      stage.describe(now);
      stage.beat();
    } else {
      gone.add(card.item.video_id);
      refresh();
    }
  }

  function leave(kind) {
    const { watchedMs } = stage.watched();
    const card = now;
    past.push(card);
    gone.add(card.item.video_id);
    send(card, kind, kind === "skip" && watchedMs ? { watched_ms: watchedMs } : {});
    const next = queued()[0];
    if (next) enter(cardOf(next), 1);
    else nothingLeft();
    refresh();
  }

  function dismiss(item, kind) {
    gone.add(item.video_id);
    send(cardOf(item), kind, {});
    refresh();
  }

  function open(videoId) {
    settle();
    enter(cardOf({ video_id: videoId }), 1);
    refresh();
  }

  async function send(card, kind, more) {
    card.done.add(kind);
    if (DONE[kind] && did.get(card.item.video_id) !== DONE.like) did.set(card.item.video_id, DONE[kind]);
    const answered = clock.began();
    beat.waiting();
    const event = {
      kind,
      event_id: crypto.randomUUID?.() ?? `${SESSION}-${performance.now()}`,
      user_id: user,
      video_id: card.item.video_id,
      at_ms: Date.now(),
      session_id: SESSION,
      surface: card.slateId ? "feed" : "search",
      utc_offset_min: -new Date().getTimezoneOffset(),
      ...(card.slateId ? { recommendation_id: card.slateId, rank: card.item.rank } : {}),
      ...more,
    };
    try {
      const place = await sendFeedback([event], (to, body) => post(to, body, { keepalive: true }));
      answered(place);
      beat.away(false);
      slates.expect(place);
      if (!clock.waits()) beat.calm();
      if (more.event_id) notify(null); // it was sent again, and by now the API is there
    } catch (error) {
      answered(null);
      beat.calm();
      beat.away(isPassing(error));
      card.done.delete(kind);
      gone.delete(card.item.video_id);
      if (now === card) stage.describe(now);
      refresh();
      notify.unsent(error, () => send(card, kind, { ...more, event_id: event.event_id, at_ms: event.at_ms })); // the same event
    }
  }

  const KEYS = { j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1), " ": stage.toggle, l: act.like, s: act.skip, h: act.hide, m: act.similar, w: act.why };

  return {
    key: (name) => KEYS[name]?.() ?? name in KEYS,
    /** Another view, or another person; silent: nothing more is published of this one. */
    end(silent) {
      if (!silent) sayWatched();
      removeEventListener("pagehide", sayWatched);
      document.removeEventListener("visibilitychange", look);
      slates.stop();
      stage.end();
    },
  };
}

function keyHelp() {
  const keys = [["j", "next"], ["k", "back"], ["l", "like"], ["s", "skip"], ["h", "hide"], ["m", "similar"], ["w", "why"], ["space", "play"]];
  return h("p", { class: "keys" }, keys.map(([key, what]) => h("span", {}, h("kbd", {}, key), ` ${what}`)));
}
