// Why a card is here: its reasons with their shares, its sources, its chances, and the ranker's own account.

import { get, path } from "./api.js";
import { titleOf, video } from "./catalogue.js";
import { dialog, h, show } from "./dom.js";
import { outcomeInWords, percent, reasonInWords, sourceInWords } from "./words.js";

/** A dialog about one item of a slate. */
export function showWhy(user, item, did) {
  const account = h("p", { class: "account", role: "status" }, item.rank ? "Asking the ranker …" : "");
  const inWords = (because) => reasonInWords(because, titleOf, (id) => did.get(id));
  dialog(
    `Why “${titleOf(item.video_id)}”`,
    "why-box",
    item.reasons?.length ? part("What speaks for it, by share", h("ul", { class: "shares" }, item.reasons.map((because) => shareLine(inWords(because), because.weight)))) : h("p", {}, "You opened it yourself; it is not of your slate."),
    item.sources?.length ? part("Proposed because it is", h("ul", { class: "chips" }, item.sources.map((one) => h("li", {}, sourceInWords(one))))) : null,
    Object.keys(item.p ?? {}).length ? part("How likely you are to", h("ul", { class: "shares" }, Object.entries(item.p).map(([name, share]) => shareLine(outcomeInWords(name), share)))) : null,
    item.rank ? part("In figures", h("p", { class: "figures" }, `place ${item.rank}, score ${item.score.toFixed(4)}, ${item.propensity < 1 ? `drawn with a chance of ${percent(item.propensity)}` : "not drawn by chance"}`)) : null,
    known(item.video_id),
    account,
  );
  if (item.rank) {
    get(path`/v1/users/${user}/explain/${item.video_id}`).then(
      (told) => show(account, told.summary ? `The ranker, asked now: ${told.summary}` : ""),
      (error) => show(account, `The ranker's own account cannot be had: ${error.message}`),
    );
  }
}

function part(title, content) {
  return h("section", {}, h("h3", {}, title), content);
}

/** A line of words with a bar for its share. */
function shareLine(words, share) {
  return h("li", {}, h("span", {}, words), h("meter", { min: 0, max: 1, value: share, "aria-label": words }, percent(share)), h("b", {}, percent(share)));
}

function known(id) {
  const labels = Object.entries(video(id).labels ?? {}).sort((one, other) => other[1] - one[1]).slice(0, 8);
  const words = [...(video(id).tags ?? []).map((tag) => `#${tag}`), ...labels.map(([name, share]) => `${name} ${Number(share).toFixed(2)}`)];
  return words.length ? part("What is known of it", h("ul", { class: "chips" }, words.map((word) => h("li", {}, word)))) : null;
}
