"""Does over HTTP what a person does in the playground, and says whether it was answered as it should be."""

import re
import time
from collections.abc import Callable, Iterator
from copy import copy
from typing import NamedTuple

import msgspec

from schemas.messages.feedback import Like
from schemas.messages.recommendations import Recommendation
from streams.demo.latency import Milliseconds, percentiles
from streams.demo.log import LIKES
from streams.demo.playground.client import ApiClient
from streams.demo.playground.people import World, now_ms
from streams.demo.screen import Check
from streams.demo.story import least_shown, share
from streams.errors import OperatorError

TIMED_LIKES = 20
WAIT_MS = 10_000
WAITS = 6  # for one slate: a busy machine takes longer than a person would wait
SOON_S = 60.0  # in which what a busy machine has not come to yet is there: a group, trends, a catalogue; a guess
LOOK_INTERVAL_S = 0.5
REFERENCES = re.compile(r"""(?:src|href)="(/static/[\w.-]+)|from\s+"\./([\w.-]+)\"""")


class Found(msgspec.Struct):
    """One result of a search, or one of the trending videos."""

    video_id: str


class _Items(msgspec.Struct):
    items: list[Found]


class _Video(msgspec.Struct):
    media_uri: str | None = None


class _Worker(msgspec.Struct):
    agent: str
    state: str


class _Status(msgspec.Struct):
    workers: list[_Worker]


class Visit(NamedTuple):
    """What was seen."""

    checks: list[Check]
    like_to_slate_ms: Milliseconds  # from the request that likes to the answer with a slate that reflects it


def visit(api: ApiClient, world: World) -> Visit:
    """All of it, as two new people; those who watch meanwhile upload videos, which the visit knows nothing of."""
    world = copy(world)
    world.videos = dict(world.videos)
    opening = [page(api), subject_grows(api, world, "check-1")]  # what many likes of one subject teach comes after
    timed = percentiles(list(like_by_like(api, world, "check-2")))
    checks = [
        *opening,
        soon(lambda: search(api, world)),
        soon(lambda: trending(api)),
        clip(api, world),
        soon(lambda: operators(api)),
    ]
    return Visit(checks, timed)


def soon(look: Callable[[], Check]) -> Check:
    """A check of what comes by itself: looked at again while it does not hold, and given up after a minute."""
    gives_up_s = time.monotonic() + SOON_S
    while not (seen := look()).holds and time.monotonic() < gives_up_s:
        time.sleep(LOOK_INTERVAL_S)
    return seen


def page(api: ApiClient) -> Check:
    """The page, and all that it loads."""
    found, left, size = set[str](), {"/"}, 0
    while left:
        path = left.pop()
        found.add(path)
        answer = api.get(path)
        size += len(answer.content)
        left |= set(references(answer.text)) - found
    modules = sum(path.endswith(".js") for path in found)
    return Check("the page and its modules are served", modules > 1, f"{modules} modules, {size / 1000:.0f} kB in all")


def references(text: str) -> Iterator[str]:
    """What a file of the page loads.

    >>> list(references('<script type="module" src="/static/app.js"> import { h } from "./dom.js";'))
    ['/static/app.js', '/static/dom.js']
    """
    for below, beside in REFERENCES.findall(text):
        yield below or f"/static/{beside}"


def subject_grows(api: ApiClient, world: World, user: str) -> Check:
    """Three likes of the subject that a first slate shows least; its share of the slate has to grow."""
    name = "three likes of one subject, and the slate shows more of it"
    first = api.slate(user)
    if not first.cold:
        return Check(name, False, f"{user} had a slate already")
    kind, liked = least_shown(first.slate.items, world.videos)
    after = like(api, first.slate, user, liked[:LIKES])
    before, now = (share(slate.items, world.videos, kind) for slate in (first.slate, after))
    return Check(name, now > before, f"{kind}: {before:.0%}, then {now:.0%}")


def like(api: ApiClient, shown: Recommendation, user: str, liked: list[str]) -> Recommendation:
    """Like some videos, and wait for the slate that reflects it."""
    ranks = {item.video_id: item.rank for item in shown.items}
    events = [
        Like(
            user_id=user,
            video_id=video_id,
            at_ms=now_ms(),
            event_id=f"{user}-like-{video_id}",
            recommendation_id=shown.recommendation_id if video_id in ranks else None,
            rank=ranks.get(video_id),
        )
        for video_id in liked
    ]
    place = api.publish(events)[-1].place
    for _ in range(WAITS):
        answer = api.slate(user, place, WAIT_MS)
        if answer.reflects:
            return answer.slate
    raise OperatorError(f"No slate of {user} reflects their like after {WAITS * WAIT_MS} ms.", "agents.log says more.")


def like_by_like(api: ApiClient, world: World, user: str) -> Iterator[float]:
    """Like the first video of the slate, again and again: the ms that each takes until the next slate is there."""
    slate = api.slate(user).slate
    for _ in range(TIMED_LIKES):
        first = next((item.video_id for item in slate.items if item.video_id in world.videos), None)
        if first is None:
            raise OperatorError(f"The slate of {user} shows none of the made-up videos.", "agents.log says more.")
        began = time.monotonic()
        slate = like(api, slate, user, [first])
        yield 1000 * (time.monotonic() - began)


def search(api: ApiClient, world: World) -> Check:
    """A title's own words find it."""
    video = next(iter(world.log.videos().values()))
    words = str(video.title)
    found = _items(api, "/v1/search", q=words)
    return Check("a search finds a title", video.video_id in found, f"“{words}”: {len(found)} found")


def trending(api: ApiClient) -> Check:
    """Something is watched."""
    found = _items(api, "/v1/trending")
    return Check("something is trending", bool(found), f"{len(found)} videos")


def clip(api: ApiClient, world: World) -> Check:
    """The catalogue says where a clip's file is, and it is served as a video."""
    uploaded = world.clips[0]
    known = msgspec.json.decode(api.get(f"/v1/videos/{uploaded.video_id}").content, type=_Video)
    answer = api.get(f"/v1/media/{known.media_uri}")
    kind, size = answer.headers["content-type"], len(answer.content)
    holds = known.media_uri == uploaded.media_uri and size > 0
    return Check("a clip is served", holds, f"{len(world.clips)} clips, the first {kind} of {size / 1000:.0f} kB")


def operators(api: ApiClient) -> Check:
    """The operator's view has workers that are ready."""
    workers = msgspec.json.decode(api.get("/v1/status").content, type=_Status).workers
    ready = [worker.agent for worker in workers if worker.state == "ready"]
    return Check("all workers are ready", bool(ready) and len(ready) == len(workers), ", ".join(sorted(ready)))


def _items(api: ApiClient, path: str, **query: str) -> list[str]:
    items = msgspec.json.decode(api.get(path, **query).content, type=_Items).items
    return [one.video_id for one in items]
