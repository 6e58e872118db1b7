// Measures how long what a person did took until the slate that takes it into account is on the screen.

const KEPT = 50;

/** Matches events with the slates that answer them; `onAnswered` is called with each time in ms. */
export function answerClock(onAnswered) {
  const waiting = []; // { at, place }, the place null until the API has said it
  let seen = []; // { partition, offset, at } of the last slates
  const times = [];

  function match() {
    for (const event of [...waiting]) {
      const slate = event.place && seen.find((one) => one.partition === event.place.partition && one.offset >= event.place.offset);
      if (!slate) continue;
      waiting.splice(waiting.indexOf(event), 1);
      const ms = slate.at - event.at;
      times.push(ms);
      if (times.length > KEPT) times.shift();
      onAnswered(ms, times);
    }
  }

  return {
    /** Something was done now; gives what to call with its place once the API has it, or without where it failed. */
    began() {
      const event = { at: performance.now(), place: null };
      waiting.push(event);
      return (place) => {
        event.place = place ?? null;
        if (!place) waiting.splice(waiting.indexOf(event), 1);
        match();
      };
    },
    /** A slate is on the screen with the next picture. */
    shown({ partition, offset }) {
      const note = (at) => {
        seen = [...seen.slice(-9), { partition, offset, at }];
        match();
      };
      if (document.hidden) note(performance.now());
      else requestAnimationFrame(() => note(performance.now()));
    },
    waits: () => waiting.length > 0,
  };
}
