"""Training a sequence model on a recorded log: what people took to, one after the other, and the file with its card."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from encoders.embedder import VideoEmbedder
from encoders.fusion.embeddings import DIM, RETRIEVAL
from encoders.models.sequence import FORMAT
from ranker.profile.history import POSITIVE, weight_of
from schemas.messages.erasures import Erasure
from schemas.messages.feedback import Feedback, Search
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import Encoded, Upload, Withdraw
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.logs.jsonl import Fault, Line

MOST_VIDEOS = 50_000  # that get a number, those that most people took to: more would not fit into memory in training
HELD_OUT = 10  # one person in so many is held out
MIN_HELD_OUT = 10  # people to stop by; a guess
ENCODED_AT_ONCE = 64

Report = Callable[[str], None]
Numbers = NDArray[np.int64]
Vectors = NDArray[np.float32]


@dataclass
class Watched:
    """What a log says: the videos that each person took to, each once, and the uploads."""

    people: dict[str, dict[str, int]] = field(default_factory=dict)  # when each took to what
    uploads: dict[str, Upload] = field(default_factory=dict)
    first_ms: int | None = None
    last_ms: int | None = None

    def take(self, line: Line) -> None:
        """Apply a line; what is erased or withdrawn afterwards is not learned from."""
        match line.message:
            case Upload() as upload:
                self.uploads[upload.video_id] = upload
            case Withdraw() as withdrawn:
                self.uploads.pop(withdrawn.video_id, None)
                for taken in self.people.values():
                    taken.pop(withdrawn.video_id, None)
            case Erasure() as erasure:
                self.people.pop(erasure.user_id, None)
            case Search():
                pass
            case event:
                self._take(event.video_id, event)

    def _take(self, video_id: str, event: Feedback) -> None:
        self.first_ms = event.at_ms if self.first_ms is None else min(self.first_ms, event.at_ms)
        self.last_ms = event.at_ms if self.last_ms is None else max(self.last_ms, event.at_ms)
        if weight_of(event) >= POSITIVE:
            self.people.setdefault(event.user_id, {}).setdefault(video_id, event.at_ms)


@dataclass(frozen=True)
class Sequences:
    """The same as numbers, which are places in `ids` from 1: sequences of two and more, and the held-out ones."""

    ids: list[str]
    others: list[Numbers]
    held: list[Numbers]


def read_watched(lines: Iterable[Line | Fault], until_ms: int | None) -> Watched:
    """What a log says before `until_ms`, if it is given."""
    watched = Watched()
    for line in lines:
        if isinstance(line, Line) and (until_ms is None or line.at_ms < until_ms):
            watched.take(line)
    return watched


def sequences_of(watched: Watched) -> Sequences:
    """Number the videos and order what each person took to."""
    counts = Counter(video_id for taken in watched.people.values() for video_id in taken)
    most = sorted(counts, key=lambda video_id: (-counts[video_id], video_id))[:MOST_VIDEOS]
    number = {video_id: place for place, video_id in enumerate(most, 1)}
    others: list[Numbers] = []
    held: list[Numbers] = []
    for user_id, taken in sorted(watched.people.items()):
        order = sorted((at_ms, video_id) for video_id, at_ms in taken.items() if video_id in number)
        if len(order) >= 2:
            is_held = len(order) >= 3 and crc32(user_id.encode()) % HELD_OUT == 0
            (held if is_held else others).append(np.array([number[video_id] for _, video_id in order], np.int64))
    return Sequences(most, others, held)


def train_sequence(
    settings: Settings, watched: Watched, out: Path, embedder: VideoEmbedder | None, report: Report
) -> dict[str, Any]:
    """Train, write the file and its card; returns the card.

    embedder  encodes what the uploads say of the videos; None: by their ids alone
    """
    training, given = _torch(), sequences_of(watched)
    if len(given.held) < MIN_HELD_OUT or not given.others:
        people = len(given.others) + len(given.held)
        raise OperatorError(
            f"The log holds {people} people who took to two videos or more, of whom {len(given.held)} can be held out.",
            f"{MIN_HELD_OUT} to hold out are the least, about {3 * HELD_OUT * MIN_HELD_OUT} people.",
        )
    report(f"{len(given.others)} people to learn from, {len(given.held)} held out, {len(given.ids)} videos")
    content = content_of(given.ids, watched.uploads, embedder, report)
    fitted = training.fit(given.others, given.held, content, settings.seed, report)
    unfinished = out.with_name(out.name + ".part")
    version = embedder.version if embedder else ""
    parity = training.write(fitted.net, content, unfinished, given.ids, version, report)
    digest = sha256(unfinished.read_bytes()).hexdigest()
    card = {
        "format": FORMAT,
        "version": digest[:8],
        "sha256": digest,
        "first_ms": watched.first_ms,
        "last_ms": watched.last_ms,
        "people": len(given.others) + len(given.held),
        "held_out_people": fitted.held_out,
        "videos": len(given.ids),
        "videos_with_content": int(content.any(axis=1).sum()),
        "positives": int(sum(map(len, (*given.others, *given.held)))),
        "content": version,
        "seed": settings.seed,
        "epochs": fitted.epochs,
        "held_out_losses": [round(loss, 4) for loss in fitted.losses],
        "largest_difference_to_torch": parity,
    }
    card_of(out).write_text(json.dumps(card, indent=2) + "\n", "utf-8")
    unfinished.replace(out)
    return card


def card_of(path: Path) -> Path:
    """Where the card of a model lies.

    >>> card_of(Path("model.onnx")).name
    'model.onnx.json'
    """
    return path.with_name(path.name + ".json")


def content_of(
    ids: Sequence[str], uploads: Mapping[str, Upload], embedder: VideoEmbedder | None, report: Report
) -> Vectors:
    """Retrieval vectors by number [V + 1, 256], zero where nothing is said; the first row is of no video."""
    found = np.zeros((len(ids) + 1, DIM), np.float32)
    if embedder is None:
        return found
    known = [(place, uploads[video_id]) for place, video_id in enumerate(ids, 1) if video_id in uploads]
    for start in range(0, len(known), ENCODED_AT_ONCE):
        some = known[start : start + ENCODED_AT_ONCE]
        for (place, _), record in zip(some, embedder.features([upload for _, upload in some]), strict=True):
            vector = record.vectors.get(RETRIEVAL) if isinstance(record, Encoded) else None
            if (row := decode_vector(vector, DIM)) is not None:
                found[place] = row / max(float(np.linalg.norm(row)), 1e-12)
        if start % (16 * ENCODED_AT_ONCE) == 0:
            report(f"{start + len(some)} of {len(known)} videos encoded")
    return found


def _torch() -> Any:
    """The module that trains, which needs torch."""
    try:
        from encoders.export import sequence
    except ImportError as error:
        raise OperatorError(
            f"Training a sequence model needs {error.name}, which is not installed.",
            "Install Freshet with its extra train: pip install 'freshet[train]'.",
        ) from error
    return sequence
