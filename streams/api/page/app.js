// The page: which view is shown, for whom, and the keys.

import { h, icon, show } from "./dom.js";
import { showFeed } from "./feed.js";
import { notifier } from "./notice.js";
import { showOperate } from "./operate.js";
import { choosePerson, drawPerson, people, watchErasures } from "./person.js";
import { showUpload } from "./upload.js";
import { showSearch, showTrending } from "./videos.js";

const VIEWS = { feed: showFeed, trending: showTrending, search: showSearch, upload: showUpload, operate: showOperate };
const NAMES = { feed: "Feed", trending: "Trending", search: "Search", upload: "Upload", operate: "Operate" };

const main = document.getElementById("main");
const button = document.getElementById("person");
const tabs = [...document.querySelectorAll(".tabs a")];
let view = null;
let opened = null; // a video that was chosen in another view

const notify = notifier(() => showView());

function showView(silent) {
  view?.end(silent === true);
  notify.forget(silent === true);
  const [, name = "", query = ""] = /^#?\/?([a-z]*)(?:\?(.*))?$/.exec(location.hash) ?? [];
  const shown = VIEWS[name] ? name : "feed";
  const [user] = people();
  drawPerson(button);
  tabs.forEach((tab) => (tab.dataset.view === shown ? tab.setAttribute("aria-current", "page") : tab.removeAttribute("aria-current")));
  document.title = shown === "feed" ? "Freshet" : `${NAMES[shown]} · Freshet`;
  main.dataset.view = shown;
  view = VIEWS[shown](main, { user, notify, open, opened, words: new URLSearchParams(query).get("q") });
  opened = null;
  scrollTo(0, 0);
}

function open(videoId) {
  opened = videoId;
  location.hash = "#/";
}

tabs.forEach((tab) => show(tab, icon(tab.dataset.view), h("span", {}, NAMES[tab.dataset.view])));
button.addEventListener("click", () => choosePerson(notify, showView));
watchErasures(showView);
addEventListener("hashchange", showView);
addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    location.hash = "#/search";
    return;
  }
  const works = event.key === " " && event.target.closest("button, a, input");
  if (typing || works || !view?.key) return;
  if (view.key(event.key) !== false) event.preventDefault();
});

showView();
