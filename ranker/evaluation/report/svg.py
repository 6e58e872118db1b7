"""Pictures as SVG text: elements, axes, and the marks of models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 380, 270  # of a picture; about a phone's width, so that its text keeps its size there
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 12, 42  # margins
STYLES = 8  # a model's number is taken modulo this for its colour, and modulo 4 for its shape
TINY = 1e-9

SHAPES: tuple[Callable[[float, float, float], str], ...] = (
    lambda x, y, r: f"M{x - r:.1f} {y:.1f}a{r:.1f} {r:.1f} 0 1 0 {2 * r:.1f} 0a{r:.1f} {r:.1f} 0 1 0 {-2 * r:.1f} 0z",
    lambda x, y, r: f"M{x - r:.1f} {y - r:.1f}h{2 * r:.1f}v{2 * r:.1f}h{-2 * r:.1f}z",
    lambda x, y, r: f"M{x:.1f} {y - 1.3 * r:.1f}l{1.3 * r:.1f} {2.3 * r:.1f}h{-2.6 * r:.1f}z",
    lambda x, y, r: (
        f"M{x:.1f} {y - 1.4 * r:.1f}l{1.4 * r:.1f} {1.4 * r:.1f}l{-1.4 * r:.1f} {1.4 * r:.1f}"
        f"l{-1.4 * r:.1f} {-1.4 * r:.1f}z"
    ),
)


def element(name: str, *content: str, **attributes: object) -> str:
    """An element with content that is markup already; `_` in an attribute's name stands for `-`, a last one for none.

    >>> element("text", "a", class_="tick", x=1)
    '<text class="tick" x="1">a</text>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_shown(value))}"' for key, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(content)}</{name}>"


def _shown(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Axis:
    """Values from low to high as places from start to stop."""

    low: float
    high: float
    start: float
    stop: float

    def place(self, value: float) -> float:
        """Where a value is."""
        share = (value - self.low) / max(self.high - self.low, TINY)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """Round values within, seven at most."""
        step = round_step((self.high - self.low) / 6)
        first, last = ceil(self.low / step - TINY), floor(self.high / step + TINY)
        return [step * count for count in range(first, last + 1)]


def round_step(least: float) -> float:
    """The next 1, 2 or 5 times a power of ten.

    >>> round_step(0.03), round_step(4.0)
    (0.05, 5.0)
    """
    power: float = 10.0 ** floor(log10(max(least, TINY)))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= least * (1 - TINY))


def axis_over(values: Sequence[float], start: float, stop: float, *, least_span: float = 0.02) -> Axis:
    """An axis on which all these values lie, with a little room; from 0 to 1 where there are none."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.05 * max(high - low, least_span)
    middle = (low + high) / 2
    half = max(high - low, least_span) / 2 + room
    return Axis(middle - half, middle + half, start, stop)


def marker(number: int, x: float, y: float, title: str, *, size: float = 4.0) -> str:
    """The mark of a model: a colour and a shape of its own, with a title that shows under a pointer."""
    path = SHAPES[number % len(SHAPES)](x, y, size + 1 if number == 0 else size)
    return element("path", element("title", escape(title)), class_=f"mark s{number % STYLES}", d=path)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """A straight line."""
    return element("line", class_=class_, x1=x1, y1=y1, x2=x2, y2=y2)


def text(content: str, x: float, y: float, class_: str = "tick", anchor: str = "middle") -> str:
    """A text at a place."""
    return element("text", escape(content), class_=class_, x=x, y=y, text_anchor=anchor)


def picture(title: str, *content: str, height: float = HEIGHT) -> str:
    """A whole picture; its title is what a screen reader says of it."""
    return element(
        "svg", *content, role="img", aria_label=title, viewBox=f"0 0 {WIDTH} {_shown(float(height))}", class_="picture"
    )


def grid_below(axis: Axis, height: float, shown: Callable[[float], str], title: str) -> str:
    """Vertical grid lines with their values below the picture, and what they are."""
    bottom = height - BOTTOM
    lines = [line(axis.place(tick), TOP, axis.place(tick), bottom, "grid") for tick in axis.ticks()]
    labels = [text(shown(tick), axis.place(tick), bottom + 15) for tick in axis.ticks()]
    return "".join([*lines, *labels, text(title, (LEFT + WIDTH - RIGHT) / 2, height - 8, "axis")])


def grid_beside(axis: Axis, shown: Callable[[float], str]) -> str:
    """Horizontal grid lines with their values beside the picture."""
    lines = [line(LEFT, axis.place(tick), WIDTH - RIGHT, axis.place(tick), "grid") for tick in axis.ticks()]
    labels = [text(shown(tick), LEFT - 6, axis.place(tick) + 4, anchor="end") for tick in axis.ticks()]
    return "".join([*lines, *labels])
