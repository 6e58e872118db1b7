"""A simulated log: uploads in ten kinds with meaningful titles, and people who react to them by their tastes.

Everything follows from the seed. Titles and people are invented; how often people finish, like and skip are guesses,
of the size that public logs of short videos show.
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
UPLOADED_BEFORE = 0.9  # share of the uploads before the first feedback
TASTE_COUNTS = (1, 2, 2, 3)  # how many kinds a person likes, drawn uniformly
IN_TASTE_SHARE = 0.6  # share of what people open that is of a kind they like
LIKE_IN_TASTE, LIKE_OUTSIDE = 0.25, 0.01  # chance of a like after a watch
SKIP_IN_TASTE, SKIP_OUTSIDE = 0.08, 0.55  # chance of a skip
PAUSE_MS = 1500  # between two videos of a slate


@dataclass(frozen=True)
class Person:
    """One simulated person: the kinds they like, and how active they are compared with the others."""

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
    return merge(uploads, feedback, key=lambda message: message.at_ms)  # stable: at equal times, uploads first


def catalogue(seed: int, videos: int, start_ms: int) -> list[Upload]:
    """So many uploads in order of time, the kinds in turn; ids are v1, v2 and so on."""
    rng = np.random.default_rng((seed, 1))
    before = int(videos * UPLOADED_BEFORE)
    early = np.sort(rng.integers(0, SPAN_MS // 2, before))
    late = np.sort(rng.integers(SPAN_MS // 2, SPAN_MS, videos - before))
    times = (np.concatenate([early, late]) + start_ms).tolist()
    kinds = list(KINDS)
    orders = {kind: rng.permutation(len(titles(kind))).tolist() for kind in kinds}
    return [
        _upload(number, kinds[number % len(kinds)], orders[kinds[number % len(kinds)]], at_ms, rng)
        for number, at_ms in enumerate(times)
    ]


def population(seed: int, people: int) -> list[Person]:
    """So many people, each with one to three tastes; a few are far more active than the rest."""
    rng = np.random.default_rng((seed, 2))
    kinds = list(KINDS)
    return [
        Person(
            f"p{number + 1:03}",
            tuple(kinds[at] for at in sorted(rng.permutation(len(kinds))[: rng.choice(TASTE_COUNTS)].tolist())),
            float(rng.lognormal(0.0, 0.7)),
        )
        for number in range(people)
    ]


def history(
    seed: int, people: Sequence[Person], uploads: Sequence[Upload], events: int, start_ms: int
) -> Iterator[Feedback]:
    """The feedback of the second half of a log: people open videos by their tastes and by popularity."""
    rng = np.random.default_rng((seed, 3))
    times = np.sort(rng.integers(start_ms, start_ms + SPAN_MS // 2, events)).tolist()
    who = rng.choice(len(people), events, p=_shares([person.activity for person in people])).tolist()
    draws = Draws(uploads, rng)
    left = events
    for at_ms, place in zip(times, who, strict=True):
        person = people[place]
        for event in react(person, draws.video(person, at_ms), at_ms, rng)[:left]:
            yield event
            left -= 1
        if not left:
            return


class Draws:
    """Draws what people open: only what is uploaded already, and nothing twice while anything else is left."""

    def __init__(self, uploads: Sequence[Upload], rng: np.random.Generator) -> None:
        self._uploads, self._rng = uploads, rng
        self._times = [video.at_ms for video in uploads]
        self._kinds = np.array([video.category for video in uploads])
        self._popularity = 1 / (1 + rng.permutation(len(uploads))) ** 0.5  # a few videos attract many people
        self._seen: dict[str, NDArray[np.bool_]] = {}

    def video(self, person: Person, at_ms: int) -> Upload:
        """The video that this person opens next."""
        seen = self._seen.setdefault(person.user_id, np.zeros(len(self._uploads), np.bool_))
        uploaded = np.arange(len(self._uploads)) < max(1, bisect_right(self._times, at_ms))
        wanted = np.isin(self._kinds, person.tastes) == (self._rng.random() < IN_TASTE_SHARE)
        pool = next(pool for pool in (uploaded & wanted & ~seen, uploaded & ~seen, uploaded) if pool.any())
        place = int(self._rng.choice(len(self._uploads), p=_shares(self._popularity * pool)))
        seen[place] = True
        return self._uploads[place]


def react(person: Person, video: Upload, at_ms: int, rng: np.random.Generator) -> list[Feedback]:
    """A person's feedback on one exposure of a video: a skip, or a watch and perhaps a like, all at one time."""
    in_taste = person.likes(video)
    duration_ms = video.duration_ms or 20_000
    skips, watched, likes = rng.random(3).tolist()
    common: dict[str, Any] = {
        "user_id": person.user_id,
        "video_id": video.video_id,
        "at_ms": at_ms,
        "duration_ms": duration_ms,
    }
    name = f"{person.user_id}-{video.video_id}-{at_ms}"
    if skips < (SKIP_IN_TASTE if in_taste else SKIP_OUTSIDE):
        return [Skip(**common, watched_ms=round(500 + 2500 * watched), event_id=f"{name}-skip")]
    share = 0.6 + 0.5 * watched if in_taste else 0.05 + 0.45 * watched
    events: list[Feedback] = [Watch(**common, watched_ms=round(share * duration_ms), event_id=f"{name}-watch")]
    if likes < (LIKE_IN_TASTE if in_taste else LIKE_OUTSIDE):
        events.append(Like(**common, event_id=f"{name}-like"))
    return events


def react_to_slate(
    person: Person, slate: Recommendation, videos: Mapping[str, Upload], at_ms: int, rng: np.random.Generator
) -> Iterator[Feedback]:
    """A person's feedback on a slate from top to bottom, with slate and rank; unknown videos get none."""
    for item in slate.items:
        video = videos.get(item.video_id)
        if video is None:
            continue
        events = react(person, video, at_ms, rng)
        for event in events:
            yield replace(event, recommendation_id=slate.recommendation_id, rank=item.rank)
        at_ms += PAUSE_MS + (getattr(events[0], "watched_ms", None) or 0)


def _upload(number: int, kind: str, order: Sequence[int], at_ms: int, rng: np.random.Generator) -> Upload:
    words, all_titles = KINDS[kind], titles(kind)
    turn = number // len(KINDS)  # uploads of this kind before this one
    title, subject = all_titles[order[turn % len(order)]]
    part = turn // len(order)
    return Upload(
        video_id=f"v{number + 1}",
        at_ms=at_ms,
        creator_id=f"{kind}-by-{CREATORS[int(rng.integers(len(CREATORS)))]}",
        title=f"{title}, part {part + 1}" if part else title,
        tags=[kind, subject],
        category=kind,
        language="en",
        duration_ms=1000 * int(rng.integers(words.shortest_s, words.longest_s + 1)),
    )


def _shares(weights: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights as probabilities that add up to 1."""
    values = np.asarray(weights, np.float64)
    shares: NDArray[np.float64] = values / values.sum()
    return shares
