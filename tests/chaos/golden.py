"""State as one release stored it (K20): `python -m tests.chaos.golden FILE` writes it, once per stored format.

Each line is an event of feedback.v1, in the order in which it was sent, or what it made of a person in the end.
"""

import base64
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ranker.profile.codec import pack
from ranker.profile.fold import Arrival
from schemas.messages import feedback
from schemas.messages.feedback import Feedback
from schemas.messages.fields import DAY_MS
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK
from streams.kafka.records import partition_of
from tests.chaos.load import person_of, video_of
from tests.support.events import (
    commented,
    fold_all,
    followed,
    hid,
    liked,
    minute,
    rated,
    saved,
    shared,
    shown,
    skipped,
    watched,
)

PEOPLE = [f"reader-{number:02}" for number in range(30)] + [person_of(number) for number in range(10)]
EVENTS = 600  # half of them the first reader's, whose lists are full then
KINDS: tuple[Any, ...] = (watched, watched, watched, liked, skipped, shared, commented, saved, followed, shown)
SCOPES: tuple[Literal["video", "creator", "tag"], ...] = ("video", "creator", "tag")


class Stored(NamedTuple):
    """An earlier release's topics."""

    sent: list[tuple[str, bytes]]  # person, event
    profiles: dict[str, bytes]


def read(file: Path) -> Stored:
    """What `write` wrote."""
    stored = Stored([], {})
    for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
        if "event" in line:
            stored.sent.append((line["key"], json.dumps(line["event"]).encode()))
        else:
            stored.profiles[line["key"]] = base64.b64decode(line["profile"])
    return stored


def write(file: Path) -> None:
    """Make events and what this release folds out of them."""
    made = list(story())
    profiles = folded((one.user_id, feedback.encode(one)) for one in made)
    lines = [{"key": one.user_id, "event": json.loads(feedback.encode(one))} for one in made]
    lines += [{"key": user, "profile": base64.b64encode(data).decode()} for user, data in sorted(profiles.items())]
    file.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines), encoding="utf-8")


def story() -> Iterable[Feedback]:
    """Events of every kind."""
    chance = random.Random(1)
    for number in range(EVENTS):
        user = chance.choice(PEOPLE) if chance.random() < 0.5 else PEOPLE[0]
        common: dict[str, Any] = {"event_id": f"golden-{number}"}
        at_ms, video = minute(number), video_of(number * 7 % 1000)
        if number % 41 == 40:
            yield rated(user, video, at_ms, value=number % 5 / 4, **common)
        elif number % 53 == 52:
            yield hid(user, video, at_ms, scope=SCOPES[number % 3], **common)
        else:
            yield KINDS[number % len(KINDS)](user, video, at_ms, **common)


def folded(sent: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """Packed profiles after these events, read where a log of Freshet's own number of partitions has them."""
    partitions = Settings.model_fields["partitions"].default
    ends: Counter[int] = Counter()
    arrivals = []
    for user, event in sent:
        partition = partition_of(user.encode(), partitions)
        arrivals.append(Arrival(feedback.decode(event), FEEDBACK.full(""), partition, ends[partition]))
        ends[partition] += 1
    return {user: pack(profile) for user, profile in fold_all({}, arrivals, DAY_MS).changed.items()}


if __name__ == "__main__":
    write(Path(sys.argv[1]))
