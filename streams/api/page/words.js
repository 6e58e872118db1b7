// What a slate says, in words.

const REASONS = {
  creator: "by a creator whom you, or many, come back to",
  topic: "a subject that people take to",
  length: "of a length that people finish",
  music: "with music that people take to",
  trending: "many people watch it now",
  fresh: "newly uploaded",
  next: "what people turned to next after yours",
  popular: "many people have watched it",
  explore: "drawn by chance among the new ones",
};
const SOURCES = {
  near_recent: "near what you watched",
  creators: "by your creators",
  trending: "watched a lot right now",
  trending_here: "finished a lot on this surface",
  fresh: "newly uploaded",
  popular: "watched a lot altogether",
  sequence: "predicted as your next one",
  fill: "to fill the slate",
};
const TITLE_LETTERS = 34; // of a title inside a reason
const OUTCOMES = { finish: "finish it", like: "like it", skip: "skip it" };

/** One reason as a sentence part; `titleOf` gives a video's title, `did` what the person did with it in this session. */
export function reasonInWords(because, titleOf, did) {
  if (because.code === "similar_to") {
    if (!because.video_id) return "like what you watched";
    const done = did(because.video_id);
    return `${done ? `you ${done}` : "like"} “${shortened(titleOf(because.video_id))}”`;
  }
  return REASONS[because.code] ?? because.code.replaceAll("_", " ");
}

function shortened(title) {
  return title.length > TITLE_LETTERS ? `${title.slice(0, TITLE_LETTERS).replace(/\s\S*$/, "")} …` : title;
}

/** The first reason of an item. */
export function whyInWords(item, titleOf, did) {
  return item.reasons?.length ? reasonInWords(item.reasons[0], titleOf, did) : "to fill the slate";
}

/** What the number beside a reason says; it is no chance. */
export const SHARE = "share of what speaks for this video";

/** Its share of what speaks for the item; none where chance put it there. */
export const shareInWords = (item) => (item.reasons?.length && item.reasons[0].code !== "explore" ? percent(item.reasons[0].weight) : "");

export const sourceInWords = (source) => SOURCES[source] ?? source.replaceAll("_", " ");
export const outcomeInWords = (outcome) => OUTCOMES[outcome] ?? outcome.replaceAll("_", " ");

/** 0.624 as 62 %. */
export const percent = (share) => `${share > 0 && share < 0.005 ? "<1" : Math.round(share * 100)} %`;

/** A count, with a thousands separator. */
export const count = (n) => Number(n).toLocaleString("en", { maximumFractionDigits: 1 });

/** Milliseconds as they are read: 43 ms, 1.2 s, 3 min. */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 86_400_000 * 2 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`;
}

/** How long ago a time was. */
export const ago = (atMs) => (Date.now() - atMs < 1500 ? "just now" : `${duration(Date.now() - atMs)} ago`);

/** Position in a clip: 1:07. */
export function clock(ms) {
  const all = Math.round(ms / 1000);
  return `${Math.floor(all / 60)}:${String(all % 60).padStart(2, "0")}`;
}

/** The value below which a share of some numbers lies. */
export function quantile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
