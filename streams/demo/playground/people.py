"""The playground's made-up world: filled by the HTTP API, and its people go on watching what their slates show."""

import time
from collections.abc import Mapping, Sequence
from itertools import count
from threading import Event

import numpy as np
from msgspec.structs import replace

from ranker.simulation.world import Person, catalogue, population, react_to_slate
from schemas.messages import videos
from schemas.messages.feedback import Feedback
from schemas.messages.videos import Upload
from schemas.settings.model import Settings
from streams.demo.clips import Clip
from streams.demo.log import Recorded, simulated
from streams.demo.playground.client import ApiClient, StoppedError
from streams.errors import OperatorError
from streams.kafka.probe import Report

EVENTS = 1500  # of the day before, by 60 people; few, so that the page is soon of use
BATCH = 500  # events a request
LOOKS_A_SECOND = 3.0  # by all people together
UPLOAD_INTERVAL_S = 30.0  # so that there is something new for people who have seen the rest
NEW_TITLES = 400  # then they begin again, under further ids
WAIT_MS = 5_000
POLL_INTERVAL_S = 0.2
STALLED_S = 120.0  # without another video embedded; a guess


class World:
    """The catalogue and the people, who do not know of each other."""

    def __init__(self, settings: Settings, clips: Sequence[Clip]) -> None:
        self.log: Recorded = simulated(settings.seed, EVENTS, now_ms())
        self.people: list[Person] = population(settings.seed, len(self.log.people()))
        self.clips = [
            Upload(video_id=f"clip-{number:02}", at_ms=now_ms(), title=clip.title, media_uri=clip.file)
            for number, clip in enumerate(clips, start=1)
        ]
        self.videos = self.log.videos() | {clip.video_id: clip for clip in self.clips}
        self.seed = settings.seed


def fill(api: ApiClient, world: World, report: Report) -> None:
    """Publish videos and the day before; returns once all are embedded, and slates reflect the last event."""
    began = time.monotonic()
    for line in world.log.uploads:
        api.upload(line.value)
    for clip in world.clips:
        api.upload(videos.encode(clip))
    lines, last = [line.value for line in world.log.events], ""
    for start in range(0, len(lines), BATCH):
        last = api.publish_lines(lines[start : start + BATCH])[-1].place
    report(f"{len(world.videos)} made-up videos and {len(lines)} events published; they are being embedded")
    wait_until_embedded(api, len(world.videos))
    person = world.log.events[-1].key.decode()
    if not any(api.slate(person, last, WAIT_MS).reflects for _ in range(int(1000 * STALLED_S / WAIT_MS))):
        raise OperatorError("Slates do not come to the last event.", "agents.log says more.")
    report(f"all in the catalogue, and on slates, after {time.monotonic() - began:.0f} s")


def wait_until_embedded(api: ApiClient, wanted: int) -> None:
    """Return once they are; OperatorError where a ready encoding agent adds none for long.

    Until it is ready nothing is stalled: on a busy machine it takes minutes to open its models.
    """
    reached, since = -1, time.monotonic()
    while (found := api.videos())[0] < wanted:
        there, is_encoding = found
        if there != reached or not is_encoding:
            reached, since = there, time.monotonic()
        elif time.monotonic() - since > STALLED_S:
            cause = f"{there} of {wanted} videos are embedded, and for {STALLED_S:g} s no other one."
            raise OperatorError(cause, "agents.log says more.")
        time.sleep(POLL_INTERVAL_S)


def keep_watching(api: ApiClient, world: World, stopped: Event) -> None:
    """Until it is stopped: somebody looks at the top of their slate, and now and then there is a new video."""
    rng = np.random.default_rng((world.seed, 4))
    activity = np.array([person.activity for person in world.people])
    titles, numbers, next_upload_s = catalogue(world.seed + 1, NEW_TITLES, 0), count(1), 0.0
    while not stopped.wait(1 / LOOKS_A_SECOND):
        person = world.people[int(rng.choice(len(world.people), p=activity / activity.sum()))]
        try:
            if events := look(person, api, world.videos, rng):
                api.publish(events)
            if time.monotonic() >= next_upload_s:
                number, next_upload_s = next(numbers), time.monotonic() + UPLOAD_INTERVAL_S
                new = replace(titles[number % NEW_TITLES], video_id=f"new-{number}", at_ms=now_ms())
                api.upload(videos.encode(new))
                world.videos[new.video_id] = new
        except StoppedError:
            return


def look(person: Person, api: ApiClient, known: Mapping[str, Upload], rng: np.random.Generator) -> list[Feedback]:
    """What a person does with the first video of their slate that the world knows: others were uploaded by a person."""
    slate = api.slate(person.user_id).slate
    first = [item for item in slate.items if item.video_id in known][:1]
    return list(react_to_slate(person, replace(slate, items=first), known, now_ms(), rng))


def now_ms() -> int:
    """The time as messages have it."""
    return time.time_ns() // 1_000_000
