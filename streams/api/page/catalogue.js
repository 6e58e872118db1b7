// What is known of videos: looked up in batches, kept while the page is open.

import { post } from "./api.js";

const MOST = 200; // of one look-up
const known = new Map();
const asked = new Set();
let waiting = null;

/** What is known of a video now; of an unknown one, its id. */
export const video = (id) => known.get(id) ?? { video_id: id };

/** Its title, or its id where it has none. */
export const titleOf = (id) => known.get(id)?.title || id;

/** Keep what another answer said of videos, a title for example. */
export function learn(videos) {
  for (const one of videos) known.set(one.video_id, { ...known.get(one.video_id), ...one });
}

/** Look up those that are not known yet; it is over when they are, and never throws: ids stand for what is missing. */
export function lookUp(ids) {
  const missing = [...new Set(ids)].filter((id) => id && !asked.has(id));
  if (!missing.length) return waiting ?? Promise.resolve();
  missing.forEach((id) => asked.add(id));
  const batches = [];
  for (let at = 0; at < missing.length; at += MOST) batches.push(missing.slice(at, at + MOST));
  waiting = Promise.all(batches.map(fetchBatch)).then(() => undefined);
  return waiting;
}

async function fetchBatch(ids) {
  try {
    const { videos } = await post("/v1/videos/lookup", { video_ids: ids });
    learn(Object.values(videos));
    ids.forEach((id) => known.has(id) || asked.delete(id)); // it may come: an upload that is being embedded
  } catch {
    ids.forEach((id) => asked.delete(id));
  }
}
