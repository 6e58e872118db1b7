"""Traces: why a video is on a person's slate, or at which stage it fell away."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ranker.pipeline.pipeline import Pipeline, Run
from ranker.pipeline.reasons import Reason, named_interest
from ranker.pipeline.remembered import Remembered, hidden_with, remembered
from ranker.pipeline.types import Query
from schemas.messages.recommendations import Item

ONLY = 0  # the place of the only query in its batch
HIDDEN = "not_hidden"  # the filter by which a hide counts for other videos too
WENT_BY = {  # what a person did with a video by which a filter rejects it; other filters go by the video alone
    "unseen": ("watched", "liked", "followed", "skipped", "hid"),
    "not_skipped": ("skipped",),
    HIDDEN: ("hid",),
}


@dataclass(frozen=True)
class Trace:
    """What each stage made of one video, for one person.

    sources        that returned it; empty: none did
    asked          all sources, in their order
    dropped_by     the filter that rejected it; None: none did
    place          among the candidates by score, from 1; None: it was not scored
    candidates     how many were scored
    item           as it stands on the slate; None: it is not there
    score          what it was ranked by
    probabilities  by outcome
    contributions  to the score by feature, in the scorer's unit, the greatest first; empty where the scorer tells none
    rank_logit     what they add up to; None: the scorer does not tell
    behind         what the person did by which a filter rejected it, or without which it would score least
    last           of the slate's items that were chosen for their score the one with the lowest, with its contributions
    """

    video_id: str
    is_known: bool
    sources: tuple[str, ...]
    asked: tuple[str, ...]
    dropped_by: str | None
    place: int | None
    candidates: int
    item: Item | None
    score: float | None
    probabilities: Mapping[str, float]
    contributions: Mapping[str, float]
    last: tuple[Item, Mapping[str, float]] | None
    rank_logit: float | None = None
    behind: tuple[Remembered, ...] = ()

    def summary(self) -> str:
        """In a sentence what became of the video."""
        if not self.is_known:
            return f"{self.video_id} is not in the catalogue, or was withdrawn."
        if self.item is not None:
            drawn = "" if self.item.propensity == 1 else f", drawn by chance ({self.item.propensity:.3g})"
            return f"{self.video_id} has rank {self.item.rank}{drawn}: returned by {' and '.join(self.sources)}."
        if not self.sources:
            return f"{self.video_id} was returned by no source: not by {', '.join(self.asked)}."
        if self.dropped_by is not None:
            return f"{self.video_id} was rejected by the filter {self.dropped_by}."
        return f"{self.video_id} has place {self.place} of {self.candidates} candidates by score: {self._distance()}."

    def _distance(self) -> str:
        if self.last is None or self.score is None:
            return "the slate was drawn by chance"
        item, theirs = self.last
        lack = self.score - item.score
        if lack >= 0:
            return "re-ranking kept it out, for diversity or because its creator has their places already"
        less = {name: value - theirs.get(name, 0.0) for name, value in self.contributions.items()}
        named = sorted((value, name) for name, value in less.items() if value < 0)[:2]
        because = f", most by {' and '.join(name for _, name in named)}" if named else ""
        return f"{-lack:.3g} below {item.video_id}, the lowest that is shown{because}"


async def trace(pipeline: Pipeline, query: Query, video_id: str) -> Trace:
    """Run the pipeline for one query, and look what its stages make of one video."""
    run = await pipeline.run([query])
    row = pipeline.catalogue.row_of.get(video_id, -1)
    candidates, items = run.filtered.candidates, run.items[ONLY]
    found = np.flatnonzero(candidates.rows == row)
    place = int(found[0]) if len(found) else None
    item = next((one for one in items if one.video_id == video_id), None)
    score = run.scores.score
    dropped_by = next((one.by for one in run.filtered.drops[ONLY].named() if one.video_id == video_id), None)
    sources = tuple(name for name, result in run.results.items() if (result.rows == row).any())
    if place is not None:
        sources = tuple(candidates.sources[np.array([place])].to_lists()[0])
    return Trace(
        video_id=video_id,
        is_known=row >= 0,
        sources=sources,
        asked=pipeline.source_names,
        dropped_by=dropped_by,
        place=None if place is None else 1 + int((score > score[place]).sum()),
        candidates=len(score),
        item=item,
        score=None if place is None else float(score[place]),
        probabilities={} if place is None else {head: float(of[place]) for head, of in run.scores.heads.items()},
        contributions={} if place is None else _contributions(run, place),
        last=_lowest(run, pipeline, items),
        rank_logit=None if place is None else _rank_logit(run, place),
        behind=tuple(_behind(run, pipeline, query, video_id, place, dropped_by)),
    )


def _behind(
    run: Run, pipeline: Pipeline, query: Query, video_id: str, place: int | None, dropped_by: str | None
) -> list[Remembered]:
    """The person's events that made this video what it is for them."""
    if dropped_by is not None:
        row = pipeline.catalogue.row_of.get(video_id, -1)
        hides = hidden_with(query.profile, row, pipeline.catalogue) if dropped_by == HIDDEN else ()
        found = remembered(query.profile, [video_id, *hides])
        return [one for one in found if one.did in WENT_BY.get(dropped_by, ())]
    if place is None or run.scores.contributions is None:
        return []
    places = np.array([place], np.int64)
    contributions = run.scores.contributions(places)
    anything = Reason("", features=contributions.names)
    interest = int(named_interest(anything, run.features, contributions, np.zeros(1, np.int64), places)[0])
    return remembered(query.profile, [pipeline.catalogue.ids[interest]]) if interest >= 0 else []


def _rank_logit(run: Run, place: int) -> float | None:
    if run.scores.contributions is None:
        return None
    found = run.scores.contributions(np.array([place], np.int64)).rank_logit
    return None if found is None else float(found[0])


def _lowest(run: Run, pipeline: Pipeline, items: list[Item]) -> tuple[Item, Mapping[str, float]] | None:
    chosen = [item for item in items if item.propensity == 1]
    if not chosen:
        return None
    item = min(chosen, key=lambda one: one.score)
    place = int(np.flatnonzero(run.filtered.candidates.rows == pipeline.catalogue.row_of[item.video_id])[0])
    return item, _contributions(run, place)


def _contributions(run: Run, place: int) -> dict[str, float]:
    if run.scores.contributions is None:
        return {}
    found = run.scores.contributions(np.array([place], np.int64))
    pairs = zip(found.names, found.values[:, 0].tolist(), strict=True)
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
