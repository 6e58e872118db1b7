// Small charts, drawn as SVG.

import { h, s } from "./dom.js";
import { count, duration } from "./words.js";

/** Bars of a histogram: `bins` are pairs of an upper bound in ms and how many fell between it and the bound before. */
export function histogram(bins, marks, width) {
  const [height, foot] = [210, 26];
  const used = trimmed(bins);
  const most = Math.max(1, ...used.map(([, n]) => n));
  const step = width / Math.max(1, used.length);
  const bars = used.map(([, n], at) => {
    const high = n ? Math.max(2, (n / most) * (height - foot - 36)) : 0;
    return s("rect", { x: at * step + 1.5, y: height - foot - high, width: Math.max(1, step - 3), height: high, rx: Math.min(3, step / 4), class: "bar" }, s("title", {}, `${boundOf(used, at)}: ${count(n)}`));
  });
  const every = Math.ceil((used.length * 64) / width);
  const labels = used.flatMap(([bound], at) => (at % every === every - 1 || used.length < 3 ? [s("text", { x: (at + 1) * step, y: height - 8, "text-anchor": at === used.length - 1 ? "end" : "middle" }, boundText(bound))] : []));
  const lines = Object.entries(marks).flatMap(([name, ms], nth) => {
    if (!used.length || !ms) return [];
    const x = placeOf(used, ms) * step;
    return [s("line", { x1: x, x2: x, y1: 16 + nth * 14, y2: height - foot, class: "mark" }), s("text", { x: Math.min(x, width - 70), y: 12 + nth * 14, class: "mark-text", "text-anchor": "start" }, `${name} ${duration(ms)}`)];
  });
  const words = used.map(([, n], at) => `${boundOf(used, at)}: ${n}`).join("; ");
  return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "histogram", role: "img", "aria-label": `Histogram of event to slate. ${words}` }, s("line", { x1: 0, x2: width, y1: height - foot, y2: height - foot, class: "axis" }), bars, labels, lines);
}

const isEndless = (bound) => bound === null || !Number.isFinite(Number(bound));
const boundText = (bound) => (isEndless(bound) ? "more" : duration(Number(bound)));
const boundOf = (bins, at) => (isEndless(bins[at][0]) ? "above" : `up to ${duration(Number(bins[at][0]))}`);

function trimmed(bins) {
  const first = bins.findIndex(([, n]) => n > 0);
  const last = bins.findLastIndex(([, n]) => n > 0);
  return first < 0 ? [] : bins.slice(Math.max(0, first - 1), last + 2);
}

function placeOf(bins, ms) {
  let low = 0;
  for (let at = 0; at < bins.length; at += 1) {
    const high = isEndless(bins[at][0]) ? Infinity : Number(bins[at][0]);
    if (ms <= high) return at + (Number.isFinite(high) && high > low ? Math.max(0, (ms - low) / (high - low)) : 0.5);
    low = high;
  }
  return bins.length;
}

/** A line of the last values, for a table's cell. */
export function sparkline(values, label) {
  const [width, height] = [120, 26];
  const most = Math.max(...values, 1e-9);
  const step = width / Math.max(1, values.length - 1);
  const points = values.map((value, at) => `${(at * step).toFixed(1)} ${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`);
  return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "sparkline", role: "img", "aria-label": label }, points.length > 1 ? [s("path", { class: "area", d: `M0 ${height}L${points.join("L")}L${width} ${height}Z` }), s("path", { class: "line", d: `M${points.join("L")}` })] : null);
}

/** A number with its name below. */
export function figure(value, name, note) {
  return h("div", { class: "figure" }, h("b", {}, value), h("span", {}, name), note ? h("small", {}, note) : null);
}
