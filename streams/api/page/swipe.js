// Swipes to the right and to the left; up and down the page scrolls.

const START_PX = 10;
const DONE_PX = 84;
const FAR_SHARE = 0.62; // of the element's width: a swipe right across

/** Call `right`, `left` or `farLeft` when a card was swiped so; the card shows meanwhile what letting go would do. */
export function swipeable(element, { right, left, farLeft }) {
  let start = null;
  let moving = false;
  let swiped = false;

  const distance = (event) => event.clientX - start.x;
  const meaning = (px) => {
    if (px > DONE_PX) return "right";
    if (px < -Math.max(DONE_PX * 2, element.clientWidth * FAR_SHARE)) return "farLeft";
    return px < -DONE_PX ? "left" : "";
  };
  const rest = () => {
    [start, moving] = [null, false];
    element.classList.remove("swiping");
    element.removeAttribute("data-swipe");
    element.style.transform = "";
  };

  element.addEventListener("pointerdown", (event) => {
    swiped = false;
    if (event.button || event.target.closest("input, a, .rail, .row-actions, .controls")) return;
    start = { x: event.clientX, y: event.clientY };
  });
  element.addEventListener("pointermove", (event) => {
    if (!start) return;
    const px = distance(event);
    if (!moving) {
      if (Math.abs(event.clientY - start.y) > Math.abs(px) && Math.abs(event.clientY - start.y) > START_PX) return rest();
      if (Math.abs(px) < START_PX) return;
      moving = true;
      element.setPointerCapture(event.pointerId);
      element.classList.add("swiping");
    }
    element.dataset.swipe = meaning(px);
    element.style.transform = `translateX(${px}px) rotate(${(px / 60).toFixed(2)}deg)`;
  });
  element.addEventListener("pointerup", (event) => {
    if (!start) return;
    const done = moving ? meaning(distance(event)) : "";
    swiped = moving;
    rest();
    if (done) ({ right, left, farLeft })[done]();
  });
  element.addEventListener("pointercancel", rest);
  element.addEventListener("dragstart", (event) => event.preventDefault());
  // What ends a swipe is no click on what lies under it.
  element.addEventListener("click", (event) => swiped && (event.stopPropagation(), event.preventDefault(), (swiped = false)), true);
}
