"""What an evaluation says, in plain sentences: what is better than what, and what cannot be told apart."""

from collections.abc import Iterator, Mapping
from math import isfinite

from ranker.evaluation.bootstrap import Estimate
from ranker.evaluation.catalogue_figures import CAUTION, LEAD, TOP
from ranker.evaluation.figures import FIGURE_OF, Figure, Verdict, verdict_on
from ranker.evaluation.result import Evaluation, Given
from ranker.evaluation.wording import interval, listed, number, percent, with_interval

MOST_NAMED = 3  # baselines in a sentence; tables have all of them
MAIN = ("auc", "gauc")  # the figures that are put into words
CATALOGUE = (f"HR@{TOP}", f"NDCG@{TOP}")  # the same of the whole catalogue
DONE = {"finish": "finished", "like": "liked", "skip": "skipped"}
SAID: dict[Verdict, str] = {
    "better": "better than",
    "undecided": "cannot be told apart from",
    "worse": "worse than",
}


def summary(evaluation: Evaluation) -> list[str]:
    """The sentences, most important first."""
    comparisons = [_compared(evaluation, head, key) for head in evaluation.heads for key in MAIN]
    return [
        _evaluated(evaluation), *comparisons, _calibrated(evaluation),
        *_catalogue(evaluation.name, evaluation.ranking or {}), *_cautions(evaluation),
    ]  # fmt: skip


def _evaluated(evaluation: Evaluation) -> str:
    sizes = evaluation.sizes
    shares = [f"{percent(share)} were {DONE.get(head, head)}" for head, share in sizes.positives.items()]
    over = f"{sizes.exposures:,} exposures of {sizes.people:,} people"
    return f"{evaluation.name} was evaluated on {over}; {listed(shares)}."


def _compared(evaluation: Evaluation, head: str, key: str) -> str:
    """One head by one figure against all baselines."""
    figure = FIGURE_OF[key]
    found = evaluation.heads[head].figures[key]
    if not isfinite(found.value):
        return f"{head}: there is no {figure.title}, since there are not both outcomes to compare."
    differences = {name: heads[head][key] for name, heads in evaluation.differences.items()}
    return _sentence(f"{head}, {figure.title}", figure, found, differences)


def _catalogue(name: str, ranking: Given) -> Iterator[str]:
    """How well all videos are ranked, against all baselines, and what to think of it."""
    ours = ranking.get(name, {})
    for key in CATALOGUE:
        if isinstance(found := ours.get(key), Estimate):
            leads = {other: theirs[LEAD + key] for other, theirs in ranking.items() if LEAD + key in theirs}
            yield _sentence(f"Next among all videos, {key}", Figure(key, key, ""), found, leads)
    if ours:
        yield CAUTION


def _sentence(what: str, figure: Figure, found: Estimate, differences: Mapping[str, Estimate]) -> str:
    said: dict[Verdict, dict[str, Estimate]] = {"better": {}, "undecided": {}, "worse": {}}
    for name, difference in differences.items():
        if isfinite(difference.value):
            said[verdict_on(figure, difference)][name] = difference
    parts = [f"{SAID[verdict]} {_baselines(verdict, names)}" for verdict, names in said.items() if names]
    return f"{what} {with_interval(found)}" + (f": {'; '.join(parts)}." if parts else ".")


def _baselines(verdict: Verdict, differences: Mapping[str, Estimate]) -> str:
    """Baselines with how far ours is from them; of many, the closest."""
    closest = sorted(differences, key=lambda name: (abs(differences[name].value), name))
    shown = [f"{name} ({_by(verdict, differences[name])})" for name in closest[:MOST_NAMED]]
    others = len(closest) - len(shown)
    return listed([*shown, f"{others} more"] if others else shown)


def _by(verdict: Verdict, difference: Estimate) -> str:
    if verdict == "undecided":
        return f"difference {number(difference.value)}, {interval(difference)}"
    return f"by {number(abs(difference.value))}"


def _calibrated(evaluation: Evaluation) -> str:
    errors = {head: result.figures["ece"] for head, result in evaluation.heads.items()}
    shown = [f"{head} {with_interval(error)}" for head, error in errors.items() if isfinite(error.value)]
    if not shown:
        return f"The scores of {evaluation.name} are no probabilities, so they have no log loss and no calibration."
    return f"On average, predicted and observed shares lie this far apart (ECE): {listed(shown)}."


def _cautions(evaluation: Evaluation) -> list[str]:
    sizes = evaluation.sizes
    method = (
        "Better and worse mean that the 95 % interval of the difference excludes 0, "
        f"by {sizes.draws:,} bootstrap draws of people. Each comparison is made for itself: "
        "of forty between equals, about one is called better by chance."
    )
    unusable = [
        f"{count:,} scores of {name} are no finite numbers; they rank last." for name, count in sizes.unusable.items()
    ]
    return [*unusable, method]
