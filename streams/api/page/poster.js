// Draws a poster for a video without pictures: colours by what it is about, form by its id, always the same.

import { s } from "./dom.js";

// Ground, then three layers over it, from far to near. Titles are white on these, with a shade below them.
const PALETTES = [
  ["#0b3c49", "#13667b", "#1f9aa8", "#f3c677"],
  ["#2b1e4d", "#5a3d8a", "#b05a9b", "#ffb69e"],
  ["#4a1c24", "#8f2d3b", "#d9593f", "#f7b267"],
  ["#10331f", "#1f6b45", "#61a45c", "#e9d985"],
  ["#1b2440", "#31538f", "#5f92cf", "#f6d6c4"],
  ["#3b2416", "#7d4a25", "#c98842", "#f4dfb5"],
  ["#122f33", "#25615f", "#7fae8e", "#f0a58f"],
  ["#381733", "#7a2e58", "#c8527c", "#ffd0a8"],
  ["#17263c", "#24567d", "#3fa0b5", "#cfe9c4"],
  ["#33290f", "#6f5f1f", "#b9a441", "#fff0b8"],
  ["#2a1a1f", "#60404a", "#a9767b", "#f0cfae"],
  ["#0f2a44", "#1b4f72", "#e07a5f", "#f2cc8f"],
];
const WIDTH = 360;
const HEIGHT = 560;

/** A small number that a text always gives (FNV-1a). */
export function hash(text) {
  let value = 2166136261;
  for (const letter of text) value = Math.imul(value ^ letter.codePointAt(0), 16777619) >>> 0;
  return value;
}

function drawer(seed) {
  let state = seed || 1;
  return (least, most) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return least + ((state >>> 0) / 4294967296) * (most - least);
  };
}

/** What a video is about, as far as it is known: it chooses the colours, so that one subject looks alike. */
export function subject(video) {
  const topics = video.topics?.length ? video.topics : Object.keys(video.labels ?? {}).filter((one) => one.startsWith("topic:"));
  return String(video.category ?? video.tags?.[0] ?? topics[0] ?? video.creator_id ?? video.video_id).replace(/^topic:/, "");
}

/** The poster of a video as SVG. */
export function poster(video) {
  const palette = PALETTES[hash(subject(video)) % PALETTES.length];
  const draw = drawer(hash(video.video_id));
  const motif = MOTIFS[Math.floor(draw(0, MOTIFS.length))];
  return s(
    "svg",
    { class: "poster", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" },
    s("rect", { width: WIDTH, height: HEIGHT, fill: palette[0] }),
    motif(palette, draw),
  );
}

const MOTIFS = [stream, sun, strata, ripples, reeds, arches];

/** A closed wave: its crest at y, with an amplitude and a phase, down to the bottom. */
function wave(y, amplitude, length, phase) {
  const points = [];
  for (let x = -20; x <= WIDTH + 20; x += 20) {
    points.push(`${x} ${(y + amplitude * Math.sin(x / length + phase) + amplitude * 0.4 * Math.sin(x / (length * 0.45) + phase * 2)).toFixed(1)}`);
  }
  return `M${points.join("L")}`;
}

function disc(palette, draw, top, bottom) {
  return s("circle", { cx: draw(80, 280), cy: draw(top, bottom), r: draw(44, 92), fill: palette[3] });
}

function stream(palette, draw) {
  const length = draw(60, 110);
  const lines = Array.from({ length: 15 }, (_, at) =>
    s("path", {
      d: wave(60 + at * 36, draw(14, 26), length, at * draw(0.22, 0.3)),
      fill: "none",
      stroke: palette[1 + (at % 3)],
      "stroke-width": draw(5, 19).toFixed(1),
      "stroke-linecap": "round",
    }),
  );
  return s("g", { transform: `rotate(${draw(-24, 24).toFixed(0)} 180 280) translate(-36 -40) scale(1.2)` }, lines);
}

function sun(palette, draw) {
  return [
    s("rect", { width: WIDTH, height: HEIGHT, fill: palette[1] }),
    disc(palette, draw, 110, 210),
    ...[0, 1, 2, 3].map((at) =>
      s("path", {
        d: `${wave(draw(235, 260) + at * 78, 26 - at * 3, draw(50, 90), draw(0, 6))}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`,
        fill: palette[at % 2 ? 0 : 2],
        opacity: at ? 0.82 : 1,
      }),
    ),
  ];
}

function strata(palette, draw) {
  const slope = draw(-70, 70);
  const bands = [];
  for (let y = -80, at = 0; y < HEIGHT + 80; at += 1) {
    const high = draw(22, 74);
    bands.push(s("path", { d: `M0 ${y}L${WIDTH} ${y + slope}V${y + slope + high}L0 ${y + high}Z`, fill: palette[at % 4], opacity: at % 4 === 3 ? 0.9 : 1 }));
    y += high;
  }
  return [...bands, s("circle", { cx: draw(90, 270), cy: draw(120, 250), r: draw(50, 84), fill: palette[0], opacity: 0.9 })];
}

function ripples(palette, draw) {
  const [x, y] = [draw(60, 300), draw(90, 300)];
  return Array.from({ length: 11 }, (_, at) =>
    s("circle", { cx: x, cy: y, r: (11 - at) * 44, fill: palette[(at + 1) % 4 === 3 && at < 9 ? 1 : (at + 1) % 4] }),
  );
}

function reeds(palette, draw) {
  const stems = Array.from({ length: 13 }, (_, at) => {
    const [x, high, wide] = [at * 29 + draw(0, 10), draw(150, 440), draw(12, 24)];
    return s("rect", { x: x - 8, y: HEIGHT - high, width: wide, height: high + 40, rx: wide / 2, fill: palette[1 + (at % 2)] });
  });
  return [disc(palette, draw, 100, 190), ...stems];
}

function arches(palette, draw) {
  const centre = draw(130, 230);
  return [0, 1, 2, 3, 4].map((at) => {
    const wide = 320 - at * 58;
    return s("path", {
      d: `M${centre - wide / 2} ${HEIGHT}V${150 + at * 42 + wide / 4}a${wide / 2} ${wide / 2} 0 0 1 ${wide} 0V${HEIGHT}Z`,
      fill: palette[[1, 2, 3, 1, 0][at]],
    });
  });
}
