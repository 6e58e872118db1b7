// Re-orders a list before the eyes: each row glides from where it was to where it is (FLIP).

import { still } from "./dom.js";

const MS = 420;
const BEYOND_PX = 120; // of the screen: a row that moves there is not seen to
const EASE = "cubic-bezier(.2, .8, .2, 1)";

/** Put rows into a list in this order; rows that were there move, others fade in. With `marked`, each says how it moved. */
export function reorder(list, rows, marked) {
  const before = new Map([...list.children].map((row) => [row, row.getBoundingClientRect().top]));
  const focused = document.activeElement;
  place(list, rows);
  if (list.contains(focused)) focused.focus({ preventScroll: true });
  if (!before.size) return;
  if (marked) markAll([...before.keys()], rows);
  if (still()) return;
  const tops = rows.map((row) => row.getBoundingClientRect().top); // all read before anything is animated
  const isSeen = (top) => top > -BEYOND_PX && top < innerHeight + BEYOND_PX;
  rows.forEach((row, at) => {
    const was = before.get(row);
    if (!isSeen(tops[at]) && !(was !== undefined && isSeen(was))) return;
    const from = was === undefined ? { opacity: 0, transform: "translateY(14px) scale(.985)" } : { transform: `translateY(${was - tops[at]}px)` };
    if (was !== tops[at]) row.animate([from, { opacity: 1, transform: "none" }], { duration: MS, easing: EASE });
  });
}

/** The fewest moves of nodes: what stays in order stays in the document. */
function place(list, rows) {
  const wanted = new Set(rows);
  for (const row of [...list.children]) if (!wanted.has(row)) row.remove();
  rows.forEach((row, at) => list.children[at] !== row && list.insertBefore(row, list.children[at] ?? null));
}

/** Say beside each row that it is new, or by how many places it rose or fell among those that stay. */
function markAll(before, rows) {
  const stay = rows.filter((row) => before.includes(row));
  const old = before.filter((row) => stay.includes(row));
  for (const row of rows) {
    const rose = stay.includes(row) ? old.indexOf(row) - stay.indexOf(row) : null;
    const badge = row.querySelector(".moved");
    badge.textContent = rose === null ? "new" : rose > 0 ? `▲ ${rose}` : rose < 0 ? `▼ ${-rose}` : "";
    badge.dataset.to = rose === null ? "new" : Math.sign(rose);
  }
}
