// What comes next: the rest of the slate as rows in its order.

import { mediaAddress } from "./api.js";
import { titleOf, video } from "./catalogue.js";
import { h, icon, show } from "./dom.js";
import { poster } from "./poster.js";
import { reorder } from "./reorder.js";
import { swipeable } from "./swipe.js";
import { SHARE, shareInWords, whyInWords } from "./words.js";

/** The list; `on` has open, like, skip and hide, each called with an item. */
export function makeQueue(on, did) {
  const list = h("ol", { class: "queue" });
  const rows = new Map(); // by video id

  function rowOf(item) {
    const row = rows.get(item.video_id) ?? makeRow(item);
    rows.set(item.video_id, row);
    row.item = item;
    describe(row);
    return row;
  }

  function describe(row) {
    const { item, parts } = row;
    const title = titleOf(item.video_id);
    if (row.drawn !== video(item.video_id)) {
      row.drawn = video(item.video_id);
      show(parts.thumb, thumbnail(row.drawn));
    }
    write(parts.title, title);
    write(parts.rank, String(item.rank));
    write(parts.why, whyInWords(item, titleOf, did));
    write(parts.share, shareInWords(item));
    write(parts.likeName, `Like ${title}`);
    write(parts.skipName, `Skip ${title}`);
  }

  function makeRow(item) {
    const parts = {
      rank: h("span", { class: "rank" }),
      thumb: h("span", { class: "thumb" }),
      title: h("span", { class: "row-title" }),
      why: h("span", {}),
      share: h("b", { title: SHARE }),
      open: h("button", { type: "button", class: "open", onclick: () => on.open(row.item) }),
      likeName: h("span", { class: "quiet" }),
      skipName: h("span", { class: "quiet" }),
      like: h("button", { type: "button", class: "round like", title: "Like", onclick: () => on.like(row.item) }, icon("like")),
      skip: h("button", { type: "button", class: "round skip", title: "Skip", onclick: () => on.skip(row.item) }, icon("skip")),
    };
    parts.like.append(parts.likeName);
    parts.skip.append(parts.skipName);
    parts.open.append(h("span", { class: "quiet" }, "Watch "), parts.thumb, h("span", { class: "row-text" }, parts.title, h("span", { class: "row-why" }, parts.why, parts.share)));
    const row = h(
      "li",
      { class: "row", "data-id": item.video_id },
      h("span", { class: "place" }, parts.rank, h("span", { class: "moved" })),
      parts.open,
      h("span", { class: "row-actions" }, parts.like, parts.skip),
    );
    row.parts = parts;
    swipeable(row, { right: () => on.like(row.item), left: () => on.skip(row.item), farLeft: () => on.hide(row.item) });
    return row;
  }

  return {
    element: list,
    /** Show these items in their order; what moves is seen to move. */
    show(items, isNewSlate) {
      reorder(list, items.map(rowOf), isNewSlate);
      const there = new Set(items.map((item) => item.video_id));
      for (const id of rows.keys()) if (!there.has(id)) rows.delete(id);
    },
    /** Titles have become known. */
    describe: () => rows.forEach(describe),
  };
}

/** Write what has changed, and nothing else: each text that is replaced is laid out again. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A video's picture, small: its thumbnail over its poster. */
export function thumbnail(known) {
  const address = mediaAddress(known.thumbnail_uri);
  return [poster(known), address && h("img", { src: address, alt: "", loading: "lazy", onerror: (event) => event.target.remove() })];
}
