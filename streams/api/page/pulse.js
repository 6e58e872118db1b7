// How fresh the feed is: the time of the last answer, and those before it as small bars.

import { h, s, show } from "./dom.js";
import { duration, quantile } from "./words.js";

const BARS = 24;
const [HEIGHT, STEP] = [20, 4];

/** The badge beside the heading. */
export function pulse() {
  const text = h("span", { class: "pulse-text" }, "live");
  const bars = s("svg", { height: HEIGHT, class: "bars", "aria-hidden": "true" });
  const element = h("div", { class: "pulse", "data-answers": "0" }, h("i", { class: "dot", "aria-hidden": "true" }), text, bars);
  let answers = 0;
  let lively = "live"; // what is said while slates come

  return {
    element,
    waiting: () => element.classList.add("waiting"),
    calm: () => element.classList.remove("waiting"),
    /** Whether slates cannot come at present. */
    away(isAway) {
      element.classList.toggle("away", isAway);
      text.textContent = isAway ? "not live" : lively;
    },
    answered(ms, times) {
      answers += 1;
      element.classList.remove("waiting");
      element.dataset.ms = ms.toFixed(1);
      element.dataset.answers = answers;
      lively = text.textContent = `answered in ${duration(ms)}`;
      element.title = `p50 ${duration(quantile(times, 0.5))}, p95 ${duration(quantile(times, 0.95))} of the last ${times.length}, from what you did to the new order on the screen`;
      const shown = times.slice(-BARS);
      const most = Math.max(...shown);
      bars.setAttribute("width", shown.length * STEP);
      show(
        bars,
        shown.map((one, at) => {
          const high = Math.max(2, (one / most) * HEIGHT);
          return s("rect", { x: at * STEP, y: HEIGHT - high, width: STEP - 1.5, height: high, rx: 1, class: at === shown.length - 1 ? "last" : "" });
        }),
      );
    },
  };
}
