"""K11, K14, K15, K16, K19, K20: what comes in is odd, or what lies there is damaged or old."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from ranker.profile.codec import pack, unpack
from ranker.profile.counters import NOTHING
from ranker.profile.fold import Arrival
from ranker.profile.model import EMPTY, Profile, seen_codes
from schemas.messages import feedback, videos
from schemas.messages.feedback import Feedback
from schemas.messages.fields import DAY_MS
from schemas.messages.videos import Vector
from schemas.topics import FEATURES, FEEDBACK, PROFILES, TRENDS
from streams.dead_letters.validation import read_feedback
from streams.demo.checks import replay_state
from streams.logs.digest import live_digest
from tests.chaos import golden
from tests.chaos.check import held_of, letters_of, without_counters
from tests.chaos.load import PEOPLE, Message, person_of, plain, produce, producer, video_of
from tests.chaos.refusals import as_shipped
from tests.chaos.rig import Rig, System, judged, wait
from tests.chaos.topics import read_all
from tests.support.events import encoded, fold_all
from tests.support.paths import ROOT

RATE = 80.0
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
GOLDEN = ROOT / "tests/golden/state-p1.jsonl"  # written by tests/chaos/golden.py


def odd(number: int, chance: random.Random, now_ms: int) -> Iterator[Message]:
    """Clocks that step, repeats, old news, and producers of several versions."""
    (message,) = plain(number, chance, now_ms)
    if number < PEOPLE:  # everybody is known before anything comes late
        message = message._replace(key=person_of(number))
        message = again(message, replace(feedback.decode(message.value), user_id=message.key))
    event = feedback.decode(message.value)
    draw = chance.random() if number >= PEOPLE else 1.0
    if draw < 0.10:  # K15: a repeat, at once or after others
        yield from (message, message)
    elif draw < 0.40:  # K15: out of order within five minutes
        yield again(message, replace(event, at_ms=now_ms - chance.randrange(5 * MINUTE_MS)))
    elif draw < 0.45:  # K14: a clock that was set back by an hour
        yield again(message, replace(event, at_ms=now_ms - HOUR_MS))
    elif draw < 0.48:  # K14: an hour ahead: a dead letter `timestamp`
        yield again(message, replace(event, at_ms=now_ms + HOUR_MS))
    elif draw < 0.52:  # K15: a month late: a dead letter `late`, unless it is the person's first
        yield again(message, replace(event, at_ms=now_ms - 30 * DAY_MS))
    elif draw < 0.60:  # K19: a producer of tomorrow, with fields that nobody here knows
        yield message._replace(value=message.value[:-1] + b',"mood":{"deep":[1,2]},"schema":"1.7"}')
    elif draw < 0.64:  # K19: a kind of tomorrow: a dead letter `schema`
        yield message._replace(value=message.value.replace(b'"kind":"', b'"kind":"hologram-', 1))
    elif draw < 0.68:  # K19: CloudEvents of today, and of tomorrow: a dead letter `schema_version`
        yield cloud(message, chance.choice(("com.example.feedback.v1", "com.example.feedback.v2")))
    else:
        yield message


def again(message: Message, event: Feedback) -> Message:
    """The message with another event in it."""
    return message._replace(value=feedback.encode(event))


def cloud(message: Message, kind: str) -> Message:
    """The message as a CloudEvent in binary mode."""
    headers = {"ce_specversion": "1.0", "ce_id": message.name, "ce_type": kind, "ce_source": "chaos"}
    headers["content-type"] = "application/json"
    return message._replace(headers=[(name, value.encode()) for name, value in headers.items()])


def odd_inputs(rig: Rig) -> dict[str, Any]:
    """K14, K15, K16, K19 in one system, with a kill in the middle; the log replayed twice gives the live state."""
    broken: list[str] = []
    with rig.system("k15") as system:
        system.start("ranker")
        first = system.start("profiles")
        system.begin(RATE, rig.seed, odd)
        wait("it works", lambda: first.mark("confirmed") is not None)
        system.keep_up(rig.size(6.0, 20.0))
        system.asked_to_end(first)
        first.kill(signal.SIGKILL)
        system.start("profiles")
        system.keep_up(rig.size(4.0, 20.0))
        system.rest()
        live, _ = live_digest(system.settings)
        log = published(system)
        replays = [replay_state(log, system.settings)[0] for _ in range(2)]
        if replays != [live, live]:
            broken.append(f"live {live[:8]}, replays {[one[:8] for one in replays]}")
        if (other := in_order(system)) != without_arrival(held_of(system.settings).profiles):
            broken.append(f"state differs from that of the events in order of their times ({len(other)} people)")
        figures = system.finish()
    return judged(figures, *broken)


def published(system: System) -> Path:
    """feedback.v1 as a log, each partition in its order; it knows no broker's clock that an event could be ahead of."""
    file = system.folder / "log.jsonl"
    file.write_bytes(b"".join(feedback.encode(one.event) + b"\n" for one in sound(system)))
    return file


def sound(system: System) -> list[Any]:
    """All arrivals that the guard lets pass, each partition in its order."""
    found: list[Any] = []
    read_all(
        system.settings, FEEDBACK, lambda one: found.extend(read_feedback([one], system.settings.partitions).arrivals)
    )
    return found


def in_order(system: System) -> dict[str, Profile]:
    """The state of the same events without repeats and latecomers, in the order of their times."""
    arrivals = sound(system)
    newest = max(one.event.at_ms for one in arrivals)
    once = {one.event.event_id: one for one in arrivals if one.event.at_ms > newest - DAY_MS}
    ordered = sorted(once.values(), key=lambda one: one.event.at_ms)
    return without_arrival(
        fold_all({}, [Arrival(one.event, "", 0, n) for n, one in enumerate(ordered)], DAY_MS).changed
    )


def without_arrival(people: dict[str, Profile]) -> dict[str, Profile]:
    """Profiles without what follows the order of arrival, as the counts of outcomes do."""
    blank: dict[str, Any] = {"origin": None, "applied": {}, "recent_ids": b"", "counters": NOTHING}
    return {user: replace(one, seen=np.sort(seen_codes(one)).tobytes(), **blank) for user, one in people.items()}


def damaged(rig: Rig) -> dict[str, Any]:
    """K11: garbage in every changelog, then all workers killed; who was hit goes on where their sound record stood."""
    broken: list[str] = []
    with rig.system("k11") as system:
        workers = [system.start("profiles"), system.start("ranker")]
        system.begin(RATE, rig.seed)
        wait("all work", lambda: all(one.mark("confirmed") is not None for one in workers))
        system.keep_up(3.0)
        garbage = list(trash(system))
        to = producer(system.settings)
        for message in garbage:
            produce(to, system.settings, message)
        to.flush(30)
        system.keep_up(2.0)
        for worker in workers:
            system.asked_to_end(worker)
            worker.kill(signal.SIGKILL)
            system.start(worker.agent)
        system.keep_up(rig.size(5.0, 20.0))
        system.rest()
        unread = letters_of(system.settings)["internal"]  # fewer where a newer profile came with the same poll
        figures = system.finish(letters={"internal": unread})
    if not 0 < unread <= sum(one.topic is PROFILES for one in garbage):
        broken.append(f"{unread} dead letters for damaged profiles")
    if figures["damaged"]:
        broken.append(f"{figures['damaged']} people whose last profile cannot be read")
    return judged(figures | {"garbage": len(garbage)}, *broken)


def trash(system: System) -> Iterator[Message]:
    """Records that no agent of ours wrote: noise, a cut profile, one of another shape, a vector of no numbers."""
    held = held_of(system.settings).profiles
    for number, (user, profile) in enumerate(sorted(held.items())[:30]):
        whole = pack(profile)
        noise = (b"\xff" * 20, b"", whole[: len(whole) // 2], b"{}", whole[:-3])[number % 5]
        yield Message(PROFILES, user, noise, user)
    yield Message(TRENDS, "0", b'{"partition":0,"tick":', "trends")
    yield Message(TRENDS, "x", b"\x00\x01", "trends")
    yield Message(FEATURES, video_of(1), b'{"kind":"encoded"', video_of(1))
    vector = Vector(256, "chaos@1", np.full(256, np.nan, "<f4").tobytes())
    nameless = replace(encoded("nan"), vectors={"retrieval": vector})
    yield Message(FEATURES, "nan", videos.encode(nameless), "nan")


def upgraded(rig: Rig) -> dict[str, Any]:
    """K20: topics that an earlier release wrote; its profiles are taken over, and go on."""
    with rig.system("k20", prefix="") as system:  # the stored profiles name the topic in which their events were read
        stored = golden.read(GOLDEN)
        to = producer(system.settings)
        for topic, records in ((FEEDBACK, stored.sent), (PROFILES, stored.profiles.items())):
            for user, value in records:
                produce(to, system.settings, Message(topic, user, value, user))
        to.flush(30)
        worker = system.start("profiles")
        system.start("ranker")
        system.begin(RATE, rig.seed)
        wait("it works", lambda: worker.mark("confirmed") is not None)
        system.keep_up(2.0)
        figures = system.finish(compared=without_counters)  # they begin to count from here on
        held = held_of(system.settings).profiles
    grown = [user for user in stored.profiles if user.startswith("person")]
    same = [user for user, value in stored.profiles.items() if user in held and held[user] == unpack(value)]
    broken = [f"{user} is not who they were" for user in stored.profiles if user not in {*grown, *same}]
    broken += [f"{user} did not go on" for user in grown if user in same]
    return judged(figures | {"people_taken_over": len(stored.profiles)}, *broken, *unknown_format(rig))


def unknown_format(rig: Rig) -> list[str]:
    """A changelog of a later release is refused with a sentence instead of being taken for nobody's."""
    with rig.system("k20-unknown") as system:
        later = pack(unpack(pack(EMPTY))).replace(b"\xa2p1", b"\xa2p9", 1)
        to = producer(system.settings)
        produce(to, system.settings, Message(PROFILES, person_of(1), later, "later"))
        to.flush(30)
        status, said = as_shipped(system, "profiles")
    return [] if status and "has format p9, this release reads p1" in said else [f"format p9: {status}, {said[-300:]}"]
