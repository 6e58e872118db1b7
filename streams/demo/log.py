"""What the demo publishes: a simulated log, a recorded one, or a data set's folder, converted first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ranker.simulation.world import SPAN_MS, simulated_log
from schemas.messages import feedback, videos
from schemas.messages.feedback import Feedback
from schemas.messages.videos import Upload
from schemas.topics import UPLOADS
from streams.errors import OperatorError
from streams.logs.convert.kuairand import KUAIRAND_LOGS, convert_kuairand
from streams.logs.convert.movielens import FORMATS, convert_movielens
from streams.logs.convert.tables import files_of
from streams.logs.jsonl import Fault, Line, read_log
from streams.logs.source import open_log

EVENTS, VIDEOS = 5000, 400  # of the simulated log; chosen so that a run ends within 90 s on two cores
EVENTS_OF_FOLDER = 25_000
LIKES = 3  # so many videos of one kind a person likes in the demo
EVENTS_A_PERSON, MIN_PEOPLE = 25, 10


class Recorded(NamedTuple):
    """A log, ready to be sent: uploads and withdrawals first, then what people did; both in the log's order."""

    name: str
    uploads: list[Line]
    events: list[Line]
    faults: list[Fault]  # lines that cannot be used, left out

    @property
    def last_ms(self) -> int:
        """Event time at its end."""
        return max(line.at_ms for line in (*self.uploads, *self.events))

    def videos(self) -> dict[str, Upload]:
        """The newest upload of each video that was not withdrawn, by id, in the order of the log."""
        there: dict[str, Upload] = {}
        for line in self.uploads:
            if isinstance(line.message, Upload):
                there[line.message.video_id] = line.message
            else:
                there.pop(line.key.decode(), None)
        return there

    def people(self) -> list[str]:
        """Everybody who did something, in order of first appearance."""
        return list(dict.fromkeys(line.key.decode() for line in self.events))


def simulated(seed: int, events: int | None, now_ms: int) -> Recorded:
    """A simulated log that ends now."""
    count = events or EVENTS
    people = max(MIN_PEOPLE, count // EVENTS_A_PERSON)
    log = simulated_log(seed, people, VIDEOS, count, now_ms - SPAN_MS)
    return _recorded(f"made-up log, seed {seed}", lines_of(log))


def recorded(path: Path, events_limit: int | None, folder: Path) -> Recorded:
    """A JSONL log, or a data set's folder, which is converted into this folder first."""
    name = path.name
    if path.is_dir():
        path = converted(path, events_limit or EVENTS_OF_FOLDER, folder / "log.jsonl")
    try:
        with open_log(path) as source:
            log = _recorded(name, read_log(source.lines()))
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}.", "Name a JSONL log or a folder.") from error
    if not log.events or not log.videos():
        raise OperatorError(
            f"{path} holds no upload and event that can be used.", f"`freshet validate {path}` says why."
        )
    if not by_kind(log.videos(), LIKES):
        raise OperatorError(
            f"No {LIKES} videos of {path} share a category or a tag.", "The demo needs them; use another log."
        )
    return log._replace(events=log.events[: whole_exposures(log.events, events_limit)])


def converted(folder: Path, limit: int, out: Path) -> Path:
    """Convert the folder of a data set that we know; gives the log's path."""
    known = (
        (KUAIRAND_LOGS, convert_kuairand),
        (tuple(form.ratings for form in FORMATS), convert_movielens),
    )
    for patterns, convert in known:
        if files_of(folder, *patterns):
            convert(folder, out, limit)
            return out
    names = " nor ".join(pattern for patterns, _ in known for pattern in patterns)
    raise OperatorError(f"{folder} holds neither {names}.", "Name KuaiRand's or MovieLens's folder, or a JSONL log.")


def whole_exposures(lines: Sequence[Line], limit: int | None) -> int:
    """How many lines hold `limit` events and what else happened at the time of the last one."""
    if limit is None or limit >= len(lines):
        return len(lines)
    end = limit
    while end < len(lines) and lines[end].at_ms == lines[end - 1].at_ms:
        end += 1
    return end


def lines_of(messages: Iterable[Upload | Feedback]) -> Iterator[Line | Fault]:
    """Messages as the lines of a log."""
    return read_log(
        videos.encode(message) if isinstance(message, Upload) else feedback.encode(message) for message in messages
    )


def kinds_of(video: Upload) -> Sequence[str]:
    """What kind of video it is, in the log's own words: its category, or else its tags."""
    return (video.category,) if video.category else tuple(video.tags or ())


def by_kind(catalogue: Mapping[str, Upload], least: int) -> dict[str, list[str]]:
    """Videos of each kind that has at least so many, in the order of the log; kinds by name."""
    kinds: dict[str, list[str]] = {}
    for video_id, video in catalogue.items():
        for kind in kinds_of(video):
            kinds.setdefault(kind, []).append(video_id)
    return {kind: ids for kind, ids in sorted(kinds.items()) if len(ids) >= least}


def _recorded(name: str, lines: Iterable[Line | Fault]) -> Recorded:
    log = Recorded(name, [], [], [])
    for line in lines:
        if isinstance(line, Fault):
            log.faults.append(line)
        else:
            (log.uploads if line.topic is UPLOADS else log.events).append(line)
    return log
