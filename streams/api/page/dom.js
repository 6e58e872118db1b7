// Makes elements. Text becomes text nodes alone: titles come from strangers, so nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, listeners (onclick: …), properties ($value: …) and children; null children are left out. */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name.startsWith("$")) element[name.slice(1)] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const ICONS = {
  feed: "M7 3h10a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H7a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zM10.5 9v6l4.5-3z",
  trending: "M3 17l6-6 4 4 8-8M15 7h6v6",
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM16.2 16.200L21 21",
  upload: "M12 16V4M7 9l5-5 5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3",
  operate: "M3 13h4l2.5-7 5 13 2.5-6h4",
  like: "M12 20s-7.5-4.6-9-9.200C2 7.3 4.2 5 6.9 5c2 0 3.9 1.2 5.1 3.300C13.2 6.2 15.1 5 17.1 5 19.8 5 22 7.3 21 10.8 19.5 15.4 12 20 12 20z",
  skip: "M5 5l9 7-9 7zM18 5v14",
  hide: "M3 3l18 18M10.6 5.200A9.8 9.8 0 0 1 12 5c5 0 8.5 4 10 7a17 17 0 0 1-3.2 4.200M6.3 6.900C4.2 8.3 2.8 10.3 2 12c1.5 3 5 7 10 7 1.8 0 3.4-.5 4.8-1.300M9.9 10a3 3 0 0 0 4.2 4.2",
  similar: "M9 8h11v11H9zM15 5V4H4v11h1",
  play: "M8 5v14l11-7z",
  pause: "M8 5v14M16 5v14",
  person: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4 20c1-4 4-6 8-6s7 2 8 6",
  close: "M5 5l14 14M19 5L5 19",
  sound: "M4 9v6h4l5 4V5L8 9zM16.5 9a4 4 0 0 1 0 6M19 6.5a8 8 0 0 1 0 11",
  why: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM12 11v5M12 7.500v.5",
};

/** A drawn icon, of which a screen reader says nothing: its button has a label. */
export function icon(name) {
  return s("svg", { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}

/** Put children in place of those that are there. */
export function show(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Say something to a screen reader, once the person has paused. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** Whether the person asked for less motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A dialog over the page with a heading and a way out; it is gone when it is closed. */
export function dialog(title, className, ...children) {
  const heading = h("h2", { id: `dialog-${className}` }, title);
  const out = h("button", { type: "button", class: "round", "aria-label": "Close", onclick: () => box.close() }, icon("close"));
  const box = h("dialog", { class: className, "aria-labelledby": heading.id }, h("header", {}, heading, out), ...children);
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (event) => event.target === box && box.close());
  document.body.append(box);
  box.showModal();
  return box;
}
