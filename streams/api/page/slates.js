// Follows one person's slates: by server-sent events, and by asking again where those do not come.

import { get, isPassing, path, Refused, retryAfter } from "./api.js";

const WAIT_MS = 10_000; // of one request; the most that the API allows
const STREAM_TRIES = 2; // before asking instead
const SILENT_MS = 4000; // a stream without a first slate by then: asking says why
const PAUSE_MS = 2000; // between two questions that nothing called for

/** Call onSlate with every answer and onTrouble with every error, null once it is over; gives what stops it. */
export function follow(user, onSlate, onTrouble) {
  const stop = new AbortController();
  let after = null; // the newest place of feedback.v1 to wait for, where slates are asked for
  let wake = () => {};
  run().catch((error) => error.name === "AbortError" || onTrouble(error));
  return {
    stop: () => (stop.abort(), wake()),
    expect: (place) => ((after = place), wake()),
  };

  async function run() {
    for (let tries = 0, opened = 0; !stop.signal.aborted; ) {
      await shown();
      if (stop.signal.aborted) return;
      if (opened < STREAM_TRIES && (await stream())) {
        tries = 0;
        continue;
      }
      opened += 1;
      try {
        await ask();
        tries = 0;
        if (opened >= STREAM_TRIES * 10) opened = 0; // the stream may work by now
      } catch (error) {
        if (stop.signal.aborted) return;
        onTrouble(error);
        if (!isPassing(error)) return;
        opened = 0;
        await pause(retryAfter(tries++));
      }
    }
  }

  /** Take events until the stream ends or nobody sees the page; gives whether that was no fault of the stream's. */
  function stream() {
    return new Promise((resolve) => {
      let brought = false;
      const events = new EventSource(path`/v1/users/${user}/slates`);
      const end = () => {
        clearTimeout(silent);
        events.close();
        document.removeEventListener("visibilitychange", end);
        resolve(brought || document.hidden);
      };
      const silent = setTimeout(end, SILENT_MS);
      document.addEventListener("visibilitychange", end);
      stop.signal.addEventListener("abort", end, { once: true });
      events.addEventListener("slate", (event) => {
        brought = true;
        clearTimeout(silent);
        onTrouble(null);
        onSlate(JSON.parse(event.data));
      });
      events.addEventListener("error", end);
    });
  }

  /** Ask once, waiting for the event that was sent last; without one, ask again after a while. */
  async function ask() {
    const place = after;
    const query = place ? `?after=${place.partition}:${place.offset}&wait_ms=${WAIT_MS}` : "";
    const answer = await get(path`/v1/users/${user}/slate` + query, { signal: stop.signal }).catch(noSlateYet);
    onTrouble(null);
    onSlate(answer);
    if (place === after && (answer.reflects || !place)) {
      after = null;
      await pause(PAUSE_MS);
    }
  }

  /** That there is none is an answer too. */
  function noSlateYet(error) {
    if (error.status !== 404) throw error;
    return { slate: null, reflects: true, why: error.message };
  }

  /** Until somebody sees the page: a browser has six connections a host, and pages that were left would keep theirs. */
  function shown() {
    if (!document.hidden) return Promise.resolve();
    return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }

  function pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => (clearTimeout(timer), resolve());
    });
  }
}

/** Send events of the person's; gives the place of the last on feedback.v1, and throws where one was rejected. */
export async function sendFeedback(events, send) {
  const { results } = await send("/v1/feedback", events);
  const rejected = results.find((one) => one.status !== "accepted");
  if (rejected) throw new Refused(422, rejected.detail || `The event was rejected: ${rejected.reason}.`);
  return results.at(-1);
}
