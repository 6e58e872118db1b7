"""Training the fusion: which videos the same people watched, and what the encoders made of those videos."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from encoders.base import ModelError, Vectors
from encoders.fusion.attention import ATTENTION, Attention, read_attention, write_attention
from encoders.fusion.fusion import Fusion, load_fusion
from encoders.fusion.projection import maps_of
from encoders.modalities.configured import modalities_of
from encoders.modalities.modality import ModalitySet
from ranker.learning.fusion import (
    Array,
    Learned,
    Rows,
    Watched,
    both_ways,
    co_recall,
    co_watched,
    learn,
    newest_apart,
    replaces,
)
from ranker.library.library import VideoLibrary
from ranker.profile.history import POSITIVE, weight_of
from schemas.messages.feedback import Feedback
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.kafka.probe import Report
from streams.operations.snapshot import outdated_notice

MIN_PAIRS = 200  # a guess: fewer reflect chance more than taste
MIN_HELD_OUT_PAIRS = 20  # to evaluate by; a guess
MAX_HELD_OUT_PAIRS = 5000  # with 100,000 videos the comparison takes seconds, not minutes
EPOCHS = 10
K = 10


class Outcome(NamedTuple):
    """The result of training; `old` and `new` are recall@10 of the newest pairs, None where there were no weights."""

    version: str
    pairs: int
    held: int
    loss: float
    new: float
    old: float | None
    mean: float  # of the weighted mean, which is not trained
    replaced: bool

    def __str__(self) -> str:
        before = "there were no weights before" if self.old is None else f"the weights before have {self.old:.3f}"
        kept = f"{self.version} is kept" if self.replaced else f"the new ones are no better: {self.version} stays"
        return (
            f"{self.pairs} pairs, loss {self.loss:.3f}; recall@{K} of the newest {self.held} pairs {self.new:.3f}, "
            f"{before}, the weighted mean has {self.mean:.3f}; {kept}"
        )


def train_fusion(settings: Settings, library: VideoLibrary, watches: Sequence[Watched], report: Report) -> Outcome:
    """Train on all but the newest watches, and keep the weights if the newest ones confirm that they are better.

    library  as features.v1 stores it; only vectors that the present models made are used
    """
    start, videos = initial_weights(settings), [video for _, video in sorted(library.videos.items())]
    modalities = modalities_of(settings)
    rows = {name: vectors_of(videos, name, len(of), modalities) for name, of in start.maps.items()}
    has = np.any([of.any(axis=1) for of in rows.values()], axis=0)
    known = {video.video_id: row for row, video in enumerate(videos) if has[row]}
    notice = outdated_notice(library, modalities)
    early, late = newest_apart([one for one in watches if one.video_id in known])
    pairs, held = co_watched(early, known), co_watched(late, known)
    if len(pairs) < MIN_PAIRS or len(held) < MIN_HELD_OUT_PAIRS:
        raise OperatorError(
            f"The log holds {len(pairs)} pairs of videos watched together, and {len(held)} in its newest tenth.",
            f"{MIN_PAIRS} and {MIN_HELD_OUT_PAIRS} are the least to train on. {notice}".rstrip(),
        )
    if notice:
        report(notice)
    report(f"{len(pairs)} pairs of {len(known)} videos to train on, {len(held)} to evaluate by")
    losses: list[float] = []

    def after(epoch: int, loss: float) -> None:
        losses.append(loss)
        report(f"epoch {epoch} of {EPOCHS}: loss {loss:.3f}")

    learned = learn(rows, pairs, start, epochs=EPOCHS, seed=settings.seed, on_epoch=after)
    recall = recall_on(held, rows, settings.seed)
    before = stored_weights(settings, start, report)
    new, old = recall(to_attention(learned)), None if before is None else recall(before)
    mean, replaced = load_fusion(modalities, "mean"), replaces(new, old)
    if replaced:
        made = to_attention(learned)
        version = write_attention(settings.data_dir / "fusion", made.maps, made.gates)
    else:
        version = before.version if before else ""
    return Outcome(version, len(pairs), len(held), losses[-1], new, old, recall(mean), replaced)


def recall_on(held: Rows, rows: Mapping[str, Vectors], seed: int) -> Callable[[Fusion], float]:
    """Recall@10 on the held-out pairs [P, 2], or on a sample of them where there are many."""
    drawn = np.random.default_rng(seed).permutation(len(held))[:MAX_HELD_OUT_PAIRS]
    queries = both_ways(held[drawn])
    return lambda weights: co_recall(weights(rows), queries, K)


def stored_weights(settings: Settings, start: Learned, report: Report) -> Attention | None:
    """The weights in use; None where there are none of the shapes [D_m, 256] that the present models need.

    They do not name the models that they were trained for, so they are evaluated on the vectors of the present ones.
    """
    path = settings.data_dir / "fusion" / ATTENTION
    if not path.exists():
        return None
    try:
        found = read_attention(path)
    except ModelError as error:
        report(f"not compared: {error}")
        return None
    shapes = [{name: of.shape for name, of in maps.items()} for maps in (found.maps, start.maps)]
    if shapes[0] != shapes[1]:
        report(f"not compared: {path} has other shapes than the present models need")
        return None
    return found


def to_watched(event: Feedback) -> Watched | None:
    """An event as training data, if it is positive feedback on a video."""
    video_id = getattr(event, "video_id", None)
    weight = weight_of(event)
    return Watched(event.user_id, video_id, event.at_ms) if video_id and weight and weight >= POSITIVE else None


def vectors_of(videos: Sequence[Encoded], name: str, dim: int, modalities: ModalitySet) -> Vectors:
    """The vectors of this name that the present models made, one row a video [N, dim], zero where it has none."""
    rows = np.zeros((len(videos), dim), np.float32)
    for place, video in enumerate(videos):
        vector = video.vectors.get(name)
        if vector and modalities.is_current(name, vector.encoder) and (row := decode_vector(vector, dim)) is not None:
            rows[place] = row
    return rows


def initial_weights(settings: Settings) -> Learned:
    """Where training begins: in the space of the weighted mean, with equal weights for all modalities."""
    maps = maps_of(modalities_of(settings), "mean")
    return Learned({**maps}, {name: np.zeros(len(of) + 1, np.float32) for name, of in maps.items()})


def to_attention(weights: Learned) -> Attention:
    """Trained weights as the fusion uses them."""
    return Attention(_float32(weights.maps), _float32(weights.gates), "learned")


def _float32(arrays: Mapping[str, Array]) -> dict[str, Vectors]:
    return {name: of.astype(np.float32) for name, of in arrays.items()}
