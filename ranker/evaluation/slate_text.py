"""A comparison of slates for people: what is better where in plain sentences, and tables for a terminal."""

from collections.abc import Iterator, Mapping
from math import isfinite

from ranker.evaluation.bootstrap import Estimate
from ranker.evaluation.figures import Figure, verdict_on
from ranker.evaluation.slate_comparison import ALIKE, FIGURES, GROUPED, SPREAD, Both, Comparison
from ranker.evaluation.table import aligned
from ranker.evaluation.wording import interval, listed, number, percent, with_interval

CAUTION = (
    "People can only finish what the platform showed them: hit rate and NDCG partly measure how well a feed imitates "
    "what showed the log's videos, not what people would have chosen."
)
HEADER = ["A", "B", "B − A", ""]
EVERY: Mapping[str, tuple[Figure, bool]] = {  # by key, with whether one way is better
    **{one.key: (one.figure, one.is_quality) for one in FIGURES},
    **{one.key: (one, False) for one in SPREAD},
}
MAIN = ("finish_hit@10", "finish_ndcg@10", "next_hit@10", "distance", "novelty", "coverage", "gini_videos", "degraded")
SHOWN_SHARES = 12


def slate_sentences(found: Comparison) -> list[str]:
    """The sentences, most important first."""
    return [*_compared(found), *(_told(found, key) for key in MAIN), *_groups(found), CAUTION, *_cautions(found)]


def slate_report(found: Comparison) -> str:
    """Everything that is printed, ending with a line break."""
    tables = [aligned(rows) for rows in slate_tables(found).values()]
    return "\n\n".join(["\n".join(slate_sentences(found)), *tables]) + "\n"


def slate_tables(found: Comparison) -> dict[str, list[list[str]]]:
    """Rows by what they are of, the first with the names of columns."""
    tables = {
        "figures": [["slates", *HEADER], *(_row(EVERY[key][0].title, key, one) for key, one in found.figures.items())],
        "alike": [["A beside B", ""], *([one.title, with_interval(found.alike[one.key])] for one in ALIKE)],
    }
    for kind, shares in found.shares.items():
        rows = [_row(name, "", one) for name, one in shares.items()][:SHOWN_SHARES]
        tables[kind] = [[f"share of places by {kind.removesuffix('s')}", *HEADER], *rows]
    tables["groups"] = [["by videos met before", *HEADER], *_group_rows(found)]
    return tables


def word(key: str, difference: Estimate) -> str:
    """What a difference B − A says: which one is better, or higher where neither way is better; empty: undecided.

    >>> word("finish_hit@10", Estimate(-0.1, -0.2, -0.05)), word("novelty", Estimate(1.0, 0.5, 1.5))
    ('A better', 'B higher')
    """
    figure, is_quality = EVERY.get(key, (Figure(key, key, ""), False))
    if not isfinite(difference.low) or difference.low <= 0 <= difference.high:
        return ""
    if not is_quality:
        return "B higher" if difference.value > 0 else "A higher"
    return "B better" if verdict_on(figure, difference) == "better" else "A better"


def _row(title: str, key: str, one: Both) -> list[str]:
    return [title, with_interval(one.a), with_interval(one.b), with_interval(one.difference), word(key, one.difference)]


def _group_rows(found: Comparison) -> Iterator[list[str]]:
    for group, figures in found.groups.items():
        for key in GROUPED:
            if isfinite(figures[key].a.value) or isfinite(figures[key].b.value):
                yield _row(f"{group}: {EVERY[key][0].title}", key, figures[key])


def _compared(found: Comparison) -> Iterator[str]:
    sizes, same = found.sizes, found.alike["identical"]
    both = f"{sizes.slates:,} slates of each, for {sizes.people:,} people"
    yield f"A is {found.names['A']}, B is {found.names['B']}: {both}."
    if same.value == 1:
        yield "A and B are identical in 100 % of slates."
    else:
        shared, overlap = percent(found.alike["overlap@10"].value), number(found.alike["rbo"].value)
        yield (
            f"A and B are identical in {percent(same.value)} of slates; "
            f"of the first ten places they share {shared}, and the rank-biased overlap is {overlap}."
        )
    alone = [f"{name} alone has {count:,} more" for name, count in found.sizes.alone.items() if count]
    if alone:
        yield f"{listed(alone)}, which count nowhere."
    yield (
        f"Slates were tried on {sizes.targets['finish']:,} finishes and {sizes.targets['next']:,} exposures, "
        "each of a video that was new to the person, against the newest slates before it."
    )


def _told(found: Comparison, key: str) -> str:
    """One figure of both, and which one is better or higher."""
    figure, one = EVERY[key][0], found.figures[key]
    if not isfinite(one.a.value) or not isfinite(one.b.value):
        return f"{_upper(figure.title)}: there is nothing to compute it from."
    both = f"{_upper(figure.title)}: A {number(one.a.value)}, B {number(one.b.value)}; "
    said, difference = word(key, one.difference), one.difference
    if not said:
        same = difference.value == 0 == difference.low == difference.high
        return both + ("no difference." if same else f"cannot be told apart (difference {with_interval(difference)}).")
    return f"{both}{said[0]} is {said[2:]} by {number(abs(difference.value))} ({interval(difference)} for B − A)."


def _upper(title: str) -> str:
    return title[:1].upper() + title[1:]


def _groups(found: Comparison) -> Iterator[str]:
    """In which activity groups the hit rate differs."""
    key = "finish_hit@10"
    said = {group: word(key, figures[key].difference) for group, figures in found.groups.items()}
    parts = [f"{words[0]} is {words[2:]} for people with {group} videos met" for group, words in said.items() if words]
    if parts:
        yield f"By activity, {EVERY[key][0].title}: {listed(parts)}."


def _cautions(found: Comparison) -> Iterator[str]:
    known = [f"{name} {number(ms)} ms" for name, ms in found.cpu_ms.items() if ms is not None]
    if known:
        yield f"CPU a slate, of the whole replay: {listed(known)}; indicative only, for it differs from run to run."
    yield (
        "Better and higher mean that the 95 % interval of the difference excludes 0, "
        f"by {found.sizes.draws:,} bootstrap draws of people."
    )
