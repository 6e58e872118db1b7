"""A made-up world: uploads in ten kinds with titles that mean something, and people with tastes who react.

Everything follows from the seed. The titles are invented and so are the people: how often a person finishes,
likes and skips are guesses, of the size that public logs of short videos show.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ranker.simulation.titles import CREATORS, KINDS, titles
from schemas.messages.feedback import Feedback, Like, Skip, Watch
from schemas.messages.fields import DAY_MS
from schemas.messages.recommendations import Recommendation
from schemas.messages.videos import Upload

SPAN_MS = 2 * DAY_MS  # a log's length: a day of uploads, then a day of feedback
UPLOADED_BEFORE = 0.9  # share of the uploads that are there before anybody watches
TASTES = (1, 2, 2, 3)  # how many kinds a person likes
TRUE_TO_TASTE = 0.6  # share of what people open that is of a kind they like
LIKES_OFTEN, LIKES_SELDOM = 0.25, 0.01  # of what was watched: to their taste, and not
SKIPS_OFTEN, SKIPS_SELDOM = 0.55, 0.08  # not to their taste, and to it
LOOKS_ON_MS = 1500  # between two videos of a slate


@dataclass(frozen=True)
class Person:
    """One made-up person: the kinds they like, and how active they are beside the others."""

    user_id: str
    tastes: tuple[str, ...]
    activity: float

    def likes(self, video: Upload) -> bool:
        """Whether this video is to their taste."""
        return video.category in self.tastes


def simulated_log(seed: int, people: int, videos: int, events: int, start_ms: int) -> Iterator[Upload | Feedback]:
    """Uploads and exactly `events` events in order of time, within SPAN_MS of `start_ms`; same seed, same log."""
    uploads = catalogue(seed, videos, start_ms)
    feedback = history(seed, population(seed, people), uploads, events, start_ms + SPAN_MS // 2)
    return merge(uploads, feedback, key=lambda message: message.at_ms)  # stable: of a time, uploads first


def catalogue(seed: int, videos: int, start_ms: int) -> list[Upload]:
    """So many uploads in order of time, all kinds in turn; ids are v1, v2 and so on."""
    chance = np.random.default_rng((seed, 1))
    before = int(videos * UPLOADED_BEFORE)
    early = np.sort(chance.integers(0, SPAN_MS // 2, before))
    late = np.sort(chance.integers(SPAN_MS // 2, SPAN_MS, videos - before))
    times = (np.concatenate([early, late]) + start_ms).tolist()
    kinds = list(KINDS)
    orders = {kind: chance.permutation(len(titles(kind))).tolist() for kind in kinds}
    return [
        _upload(number, kinds[number % len(kinds)], orders[kinds[number % len(kinds)]], at_ms, chance)
        for number, at_ms in enumerate(times)
    ]


def population(seed: int, people: int) -> list[Person]:
    """So many people, each with one to three tastes; a few are far more active than the rest."""
    chance = np.random.default_rng((seed, 2))
    kinds = list(KINDS)
    return [
        Person(
            f"p{number + 1:03}",
            tuple(kinds[at] for at in sorted(chance.permutation(len(kinds))[: chance.choice(TASTES)].tolist())),
            float(chance.lognormal(0.0, 0.7)),
        )
        for number in range(people)
    ]


def history(
    seed: int, people: Sequence[Person], uploads: Sequence[Upload], events: int, start_ms: int
) -> Iterator[Feedback]:
    """What people do in the second half of a log: each opens what is there, by taste and by popularity."""
    chance = np.random.default_rng((seed, 3))
    times = np.sort(chance.integers(start_ms, start_ms + SPAN_MS // 2, events)).tolist()
    who = chance.choice(len(people), events, p=_shares([person.activity for person in people])).tolist()
    drawn = Draws(uploads, chance)
    left = events
    for at_ms, place in zip(times, who, strict=True):
        person = people[place]
        for event in react(person, drawn.video(person, at_ms), at_ms, chance)[:left]:
            yield event
            left -= 1
        if not left:
            return


class Draws:
    """Draws what people open: never what is not uploaded yet, and nothing twice while there is anything else."""

    def __init__(self, uploads: Sequence[Upload], chance: np.random.Generator) -> None:
        self._uploads, self._chance = uploads, chance
        self._times = [video.at_ms for video in uploads]
        self._kinds = np.array([video.category for video in uploads])
        self._pull = 1 / (1 + chance.permutation(len(uploads))) ** 0.5  # a few videos draw many people
        self._seen: dict[str, NDArray[np.bool_]] = {}

    def video(self, person: Person, at_ms: int) -> Upload:
        """One video that this person opens now."""
        seen = self._seen.setdefault(person.user_id, np.zeros(len(self._uploads), np.bool_))
        there = np.arange(len(self._uploads)) < max(1, bisect_right(self._times, at_ms))
        wanted = np.isin(self._kinds, person.tastes) == (self._chance.random() < TRUE_TO_TASTE)
        pool = next(pool for pool in (there & wanted & ~seen, there & ~seen, there) if pool.any())
        place = int(self._chance.choice(len(self._uploads), p=_shares(self._pull * pool)))
        seen[place] = True
        return self._uploads[place]


def react(person: Person, video: Upload, at_ms: int, chance: np.random.Generator) -> list[Feedback]:
    """What a person does with a video: skips it, or watches and perhaps likes it; one exposure, one time."""
    pleased = person.likes(video)
    duration_ms = video.duration_ms or 20_000
    skips, watched, likes = chance.random(3).tolist()
    common: dict[str, Any] = {
        "user_id": person.user_id,
        "video_id": video.video_id,
        "at_ms": at_ms,
        "duration_ms": duration_ms,
    }
    name = f"{person.user_id}-{video.video_id}-{at_ms}"
    if skips < (SKIPS_SELDOM if pleased else SKIPS_OFTEN):
        return [Skip(**common, watched_ms=round(500 + 2500 * watched), event_id=f"{name}-skip")]
    share = 0.6 + 0.5 * watched if pleased else 0.05 + 0.45 * watched
    events: list[Feedback] = [Watch(**common, watched_ms=round(share * duration_ms), event_id=f"{name}-watch")]
    if likes < (LIKES_OFTEN if pleased else LIKES_SELDOM):
        events.append(Like(**common, event_id=f"{name}-like"))
    return events


def answer(
    person: Person, slate: Recommendation, videos: Mapping[str, Upload], at_ms: int, chance: np.random.Generator
) -> Iterator[Feedback]:
    """What a person does with a slate, top to bottom, naming slate and rank; unknown videos are passed over."""
    for item in slate.items:
        video = videos.get(item.video_id)
        if video is None:
            continue
        events = react(person, video, at_ms, chance)
        for event in events:
            yield _shown(event, slate.recommendation_id, item.rank)
        at_ms += LOOKS_ON_MS + (getattr(events[0], "watched_ms", None) or 0)


def _shown(event: Feedback, recommendation_id: str, rank: int) -> Feedback:
    return replace(event, recommendation_id=recommendation_id, rank=rank)


def _upload(number: int, kind: str, order: Sequence[int], at_ms: int, chance: np.random.Generator) -> Upload:
    words, known = KINDS[kind], titles(kind)
    turn = number // len(KINDS)  # how many of this kind there were before
    title, subject = known[order[turn % len(order)]]
    part = turn // len(order)
    return Upload(
        video_id=f"v{number + 1}",
        at_ms=at_ms,
        creator_id=f"{kind}-by-{CREATORS[int(chance.integers(len(CREATORS)))]}",
        title=f"{title}, part {part + 1}" if part else title,
        tags=[kind, subject],
        category=kind,
        language="en",
        duration_ms=1000 * int(chance.integers(words.shortest_s, words.longest_s + 1)),
    )


def _shares(weights: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights as chances that add up to 1."""
    values = np.asarray(weights, np.float64)
    shares: NDArray[np.float64] = values / values.sum()
    return shares
