"""The checker: what the topics must hold after a fault, computed anew from the log of feedback by the pure fold."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ranker.profile.codec import ProfileError, pack, state_digest, unpack
from ranker.profile.counters import NOTHING
from ranker.profile.example import Example
from ranker.profile.model import Profile
from schemas.messages import videos
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, FEATURES, FEEDBACK, PROFILES, RECOMMENDATIONS, UPLOADS
from streams.dead_letters.validation import read_feedback, read_upload
from streams.kafka.records import Record
from tests.chaos.learned import learned_figures
from tests.chaos.load import Sent
from tests.chaos.topics import read_all
from tests.support.events import fold_all

GRACE_S = 2.0  # a guess: so long after its withdrawal was confirmed a video may still be on a slate that is made


class _Version(msgspec.Struct, array_like=True, tag="p1"):
    version: int


class _Trigger(msgspec.Struct):
    partition: int
    offset: int


class _Item(msgspec.Struct):
    video_id: str


class _Slate(msgspec.Struct):
    user_id: str
    version: int
    generated_at_ms: int
    trigger: _Trigger
    items: list[_Item]
    degraded: list[str]


_version = msgspec.msgpack.Decoder(_Version).decode
_slate = msgspec.json.Decoder(_Slate).decode


@dataclass
class Expected:
    """What the fold makes of feedback.v1 in log order."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    ids: set[tuple[int, int, str]] = field(default_factory=set)  # partition, offset, event id: as the log has them
    asked: list[tuple[str, int, int]] = field(default_factory=list)  # person, partition, offset of accepted events
    letters: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    examples: list[Example] = field(default_factory=list)  # what is to be learned from


@dataclass
class Held:
    """What profiles.v1 holds."""

    profiles: dict[str, Profile] = field(default_factory=dict)  # last record of each key
    highest: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)  # keys whose last record cannot be read
    records: int = 0
    falls: int = 0  # records with a lower version than one before
    repeats: int = 0
    times: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))  # by partition, ms


@dataclass
class Answers:
    """What recommendations.v1 holds."""

    records: int = 0
    versions: dict[str, int] = field(default_factory=dict)  # of each person's last slate
    highest: dict[str, int] = field(default_factory=dict)
    falls: int = 0  # slates with a lower version than one before
    repeats: int = 0
    ghosts: list[str] = field(default_factory=list)
    degraded: Counter[str] = field(default_factory=Counter)
    reach: dict[tuple[int, str], int] = field(default_factory=dict)  # partition, person → newest trigger
    times: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))


def expected_of(settings: Settings) -> Expected:
    """Read feedback.v1 and fold it."""
    logs: dict[int, list[Record]] = defaultdict(list)
    read_all(settings, FEEDBACK, lambda record: logs[record.partition].append(record))
    found = Expected()
    for partition, records in sorted(logs.items()):
        reading = read_feedback(records, settings.partitions)
        folded = fold_all({}, reading.arrivals, settings.late_ms, for_learning=True)
        found.profiles.update(folded.changed)
        found.ids |= {(partition, one.offset, one.event.event_id or "") for one in reading.arrivals}
        found.asked += [(one.event.user_id, partition, one.offset) for one in folded.applied]
        found.letters.update(one.reason.value for one in reading.dead_letters)
        found.letters.update({"late": len(folded.late)} if folded.late else {})
        found.repeats += folded.repeats
        found.examples += [one for _, one in folded.batch.examples]
    return found


def held_of(settings: Settings) -> Held:
    """Read profiles.v1."""
    held, last = Held(), {}

    def take(record: Record) -> None:
        user = (record.key or b"").decode("utf-8", "replace")
        last[user] = record.value
        held.records += 1
        held.times[record.partition].append(record.timestamp)
        if record.value is None:
            held.highest.pop(user, None)
            return
        try:
            version = _version(record.value).version
        except msgspec.DecodeError:
            return
        before = held.highest.get(user, 0)
        held.falls += version < before
        held.repeats += version == before
        held.highest[user] = max(version, before)

    read_all(settings, PROFILES, take)
    for user, value in last.items():
        try:
            if value is not None:
                held.profiles[user] = unpack(value)
        except ProfileError:
            held.damaged.append(user)
    return held


def answers_of(settings: Settings, gone: dict[str, float]) -> Answers:
    """Read recommendations.v1; `gone` says from when on (wall clock, s) a video must not come."""
    found = Answers()

    def take(record: Record) -> None:
        found.records += 1
        found.times[record.partition].append(record.timestamp)
        if record.value is None:
            return
        slate = _slate(record.value)
        before = found.highest.get(slate.user_id, 0)
        found.falls += slate.version < before
        found.repeats += slate.version == before
        found.versions[slate.user_id] = slate.version
        found.highest[slate.user_id] = max(slate.version, before)
        found.degraded.update(slate.degraded)
        place = (slate.trigger.partition, slate.user_id)
        found.reach[place] = max(slate.trigger.offset, found.reach.get(place, -1))
        for item in slate.items:
            late_s = slate.generated_at_ms / 1000 - gone.get(item.video_id, float("inf"))
            if late_s > 0:
                found.ghosts.append(f"{item.video_id} {late_s + GRACE_S:.1f} s after")

    read_all(settings, RECOMMENDATIONS, take)
    return found


def letters_of(settings: Settings) -> Counter[str]:
    """Distinct dead letters by reason: a crash may send one twice."""
    places: dict[tuple[bytes | None, ...], str] = {}

    def take(record: Record) -> None:
        headers = dict(record.headers)
        places[headers["topic"], headers["partition"], headers["offset"]] = (headers["reason"] or b"").decode()

    read_all(settings, DEAD_LETTERS, take)
    return Counter(places.values())


def encoder_faults(settings: Settings) -> tuple[int, int]:
    """Videos whose features are missing or old, and videos whose last features are older than some before."""
    wanted: dict[str, tuple[int, bool]] = {}
    last: dict[str, tuple[int, bool]] = {}
    highest: dict[str, int] = {}

    def take_upload(record: Record) -> None:
        one = read_upload(record)
        if isinstance(one, videos.Upload | videos.Withdraw) and one.at_ms >= wanted.get(one.video_id, (0, False))[0]:
            wanted[one.video_id] = one.at_ms, isinstance(one, videos.Upload)

    def take_features(record: Record) -> None:
        one = videos.decode_features(record.value or b"")
        last[one.video_id] = one.at_ms, isinstance(one, videos.Encoded)
        highest[one.video_id] = max(one.at_ms, highest.get(one.video_id, 0))

    read_all(settings, UPLOADS, take_upload)
    read_all(settings, FEATURES, take_features)
    lost = sum(last.get(video) != state for video, state in wanted.items())
    return lost, sum(last[video][0] < newest for video, newest in highest.items())


def withdrawn_at(settings: Settings) -> dict[str, float]:
    """When the withdrawal of each video was first passed on by the encoder (wall clock, s)."""
    found: dict[str, float] = {}

    def take(record: Record) -> None:
        one = videos.decode_features(record.value or b"")
        if isinstance(one, videos.Withdrawn):
            found.setdefault(one.video_id, record.timestamp / 1000)

    read_all(settings, FEATURES, take)
    return found


def without_counters(profile: Profile) -> Profile:
    """The profile without what it counts, which an earlier release did not do."""
    return msgspec.structs.replace(profile, counters=NOTHING)


def verdict(
    settings: Settings,
    ledger: Iterable[Sent],
    encoder: bool = False,
    learner: bool = False,
    more_letters: Mapping[str, int] = {},
    compared: Callable[[Profile], Profile] = lambda profile: profile,
) -> dict[str, Any]:
    """All figures of one system after it has come to rest; `compared` is what of each profile has to be as expected."""
    sent = list(ledger)
    gone = {one.name: one.confirmed_s + GRACE_S for one in sent if one.kind == "withdrawal"}
    if encoder:  # a withdrawal waits for the encoder like all uploads; the ranker knows what is on features.v1
        gone = {name: at_s + GRACE_S for name, at_s in withdrawn_at(settings).items()}
    expected, held, answers = expected_of(settings), held_of(settings), answers_of(settings, gone)
    letters, wanted_letters = letters_of(settings), expected.letters + Counter(more_letters)
    versions = [(one.version, held.profiles.get(user)) for user, one in expected.profiles.items()]
    behind = sum(max(0, wanted - (has.version if has else 0)) for wanted, has in versions)
    kept = {(one.partition, one.offset, one.name) for one in sent if one.kind == "event"} & expected.ids
    unsound = sum(expected.letters.values()) - expected.letters["late"]
    gone_from_log = sum(one.kind == "event" for one in sent) - len(kept) - unsound
    lost_videos, older_videos = encoder_faults(settings) if encoder else (0, 0)
    regress = sum(one.version < held.highest[user] for user, one in held.profiles.items())
    regress += sum(version < answers.highest[user] for user, version in answers.versions.items())
    wanted = {user: compared(one) for user, one in expected.profiles.items()}
    there = {user: compared(one) for user, one in held.profiles.items()}
    same = state_digest(wanted.items()) == state_digest(there.items())
    bytes_same = all(pack(one) == pack(there[user]) for user, one in wanted.items() if user in there)
    learned = learned_figures(settings, expected.examples, withdrawn_at(settings)) if learner else {}
    return {
        "events": len(expected.asked),
        "slates": answers.records,
        "LOST": behind + max(0, gone_from_log) + lost_videos,
        "DOUBLE": sum(max(0, has.version - wanted) for wanted, has in versions if has),
        "REGRESS": regress + older_videos,
        "GHOST": len(answers.ghosts),
        "DIGEST": "equal" if same and bytes_same else "DIFFERENT",
        "UNANSWERED": sum(answers.reach.get((p, user), -1) < offset for user, p, offset in expected.asked),
        "LETTERS": sum(((letters - wanted_letters) + (wanted_letters - letters)).values()),
        **learned,
        "dead_letters": dict(letters),
        "repeats_refused": expected.repeats,
        "falls": {"state": held.falls, "slates": answers.falls},
        "profile_repeats": held.repeats,
        "slate_repeats": answers.repeats,
        "damaged": len(held.damaged),
        "degraded": dict(answers.degraded),
        "ghosts": answers.ghosts[:3],
        "stall_s": {"state": longest_gap(held.times), "slates": longest_gap(answers.times)},
    }


def longest_gap(times: dict[int, list[int]]) -> float:
    """Longest time without a record, over all partitions, in seconds."""
    gaps = [(b - a) / 1000 for row in times.values() for a, b in zip(sorted(row), sorted(row)[1:], strict=False)]
    return round(max(gaps, default=0.0), 1)


EXAMPLES = ("EXAMPLES_LOST", "EXAMPLES_DOUBLE", "EXAMPLES_TORN")
BREACHES = ("LOST", "DOUBLE", "REGRESS", "GHOST", "UNANSWERED", "LETTERS", *EXAMPLES)


def breaches(figures: dict[str, Any], falls: bool = False) -> list[str]:
    """What of the figures breaks a promise; `falls` says whether a lower version may come between two higher ones."""
    broken = [f"{name} {figures[name]}" for name in BREACHES if figures.get(name)]
    broken += [f"falls: {what} {count}" for what, count in figures.get("falls", {}).items() if count and not falls]
    return broken + (["DIGEST"] if figures.get("DIGEST", "equal") != "equal" else [])
