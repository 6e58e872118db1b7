"""The picture of the flow in README and docs/architecture.md, made from the topics: `make pictures` writes it.

It has a background of its own, so it can be read on light and on dark pages, and colours for both.
"""

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from schemas import topics
from schemas.topics import Topic
from tests.support.paths import ROOT

FILE = ROOT / "docs/flow.svg"
WIDTH, HEIGHT = 1080, 640
TOPIC_WIDTH, TOPIC_HEIGHT, AGENT_WIDTH = 190, 50, 150
TITLE = "How events and uploads become slates"

STYLE = """
.page { fill: #ffffff; stroke: #d0d7de }
.topic rect { fill: #f3f6fa; stroke: #8c959f }
.agent rect { fill: #0b63c5; stroke: #0b63c5 }
.index rect { fill: #ffffff; stroke: #8c959f; stroke-dasharray: 5 4 }
.name { fill: #1f2328; font-size: 15px; font-weight: 600 }
.note { fill: #57606a; font-size: 12px }
.agent .name, .agent .note { fill: #ffffff }
.edge { fill: none; stroke: #57606a; stroke-width: 1.6 }
.dead { stroke: #b35900; stroke-dasharray: 5 4 }
.head { fill: #57606a }
@media (prefers-color-scheme: dark) {
  .page { fill: #161b22; stroke: #30363d }
  .topic rect { fill: #21262d; stroke: #6e7681 }
  .agent rect { fill: #1f6feb; stroke: #1f6feb }
  .index rect { fill: #161b22; stroke: #6e7681 }
  .name { fill: #e6edf3 }
  .note { fill: #9da7b1 }
  .edge { stroke: #9da7b1 }
  .dead { stroke: #e3933a }
  .head { fill: #9da7b1 }
}
"""


class Box(NamedTuple):
    """A topic, an agent or an index; x and y are its upper left corner."""

    kind: str
    name: str
    note: str
    x: int
    y: int
    width: int
    height: int


def topic(of: Topic, note: str, x: int, y: int) -> Box:
    """The box of a topic, by its name on the broker without the prefix."""
    return Box("topic", of.name, note, x, y, TOPIC_WIDTH, TOPIC_HEIGHT)


INPUTS, AGENTS, STATE, RANKER, OUTPUT = 20, 270, 470, 715, 880
BOXES = (
    topic(topics.ERASURES, "whom to erase", INPUTS, 20),
    topic(topics.FEEDBACK, "watch, like, skip, …", INPUTS, 178),
    topic(topics.UPLOADS, "new and withdrawn videos", INPUTS, 365),
    Box("agent", "profiles agent", "folds events", AGENTS, 100, AGENT_WIDTH, 205),
    Box("agent", "encoding agent", "embeds videos", AGENTS, 325, AGENT_WIDTH, 60),
    Box("agent", "indexer agent", "where Qdrant is set", AGENTS, 400, AGENT_WIDTH, 55),
    topic(topics.ERASED, "erasure markers", STATE, 60),
    topic(topics.EVENT_IDS, "to know repeats by", STATE, 125),
    topic(topics.PROFILES, "one profile a person", STATE, 190),
    topic(topics.TRENDS, "what many watch now", STATE, 255),
    topic(topics.FEATURES, "embeddings, tags, labels", STATE, 330),
    Box("index", "Qdrant", "optional vector index", STATE, 400, TOPIC_WIDTH, TOPIC_HEIGHT),
    Box("agent", "ranking agent", "makes slates", RANKER, 175, 130, 280),
    topic(topics.RECOMMENDATIONS, "slates, with reasons", OUTPUT, 290),
    topic(topics.DEAD_LETTERS, "unusable, with a reason", STATE, 480),
    topic(topics.EXAMPLES, "what came of exposures", INPUTS, 560),
    Box("agent", "learning agent", "learns from outcomes", AGENTS, 555, AGENT_WIDTH, 60),
    topic(topics.WEIGHTS, "learned parameters", STATE, 560),
)
SOLID = (  # each a path of straight lines
    "M210 203 H262",  # feedback → profiles agent
    "M210 375 H262",  # uploads → encoding agent
    "M210 45 H345 V92",  # erasures → profiles agent
    "M345 45 H780 V167",  # erasures → ranking agent
    "M420 115 H445 V85 H462",  # profiles agent → erased
    "M420 150 H462",  # → event ids
    "M420 215 H462",  # → profiles
    "M420 280 H462",  # → trends
    "M420 355 H462",  # encoding agent → features
    "M445 370 V412 H428",  # features → indexer agent
    "M420 432 H462",  # → Qdrant
    "M660 215 H707",  # profiles → ranking agent
    "M660 280 H707",  # trends
    "M660 355 H707",  # features
    "M660 425 H707",  # Qdrant
    "M845 315 H872",  # ranking agent → recommendations
    "M270 300 H225 V572 H218",  # profiles agent → examples
    "M210 598 H262",  # examples → learning agent
    "M470 370 H445 V540 H345 V547",  # features → learning agent
    "M420 585 H462",  # learning agent → weights
    "M660 585 H810 V463",  # weights → ranking agent
)
DASHED = (  # what could not be used
    "M270 290 H240 V515 H462",
    "M270 345 H240 V515 H462",
    "M345 455 V495 H462",
    "M780 455 V505 H668",
)


def box(one: Box) -> Iterator[str]:
    """A rectangle with its name and a note."""
    middle, centre = one.x + one.width / 2, one.y + one.height / 2
    yield f'<g class="{one.kind}">'
    yield f'<rect x="{one.x}" y="{one.y}" width="{one.width}" height="{one.height}" rx="8"/>'
    yield f'<text class="name" x="{middle:g}" y="{centre - 3:g}">{escape(one.name)}</text>'
    yield f'<text class="note" x="{middle:g}" y="{centre + 15:g}">{escape(one.note)}</text>'
    yield "</g>"


def picture() -> str:
    """The whole picture as SVG."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 10} {HEIGHT}" role="img" aria-label="{TITLE}"'
        ' font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" text-anchor="middle">',
        f"<title>{TITLE}</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>',
        f'<rect class="page" x="1" y="1" width="{WIDTH + 8}" height="{HEIGHT - 2}" rx="12"/>',
        *(f'<path class="edge" d="{path}" marker-end="url(#head)"/>' for path in SOLID),
        *(f'<path class="edge dead" d="{path}" marker-end="url(#head)"/>' for path in DASHED),
        *(line for one in BOXES for line in box(one)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(picture(), "utf-8")
    print(f"wrote {FILE.relative_to(ROOT)}")
