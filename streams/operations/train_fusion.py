"""Learning the fusion: from which videos the same people watched, and what the encoders found in them."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from encoders.base import ModelError, Vectors
from encoders.fusion.attention import ATTENTION, Attention, read_attention, write_attention
from encoders.fusion.fusion import Fusion, load_fusion
from encoders.fusion.projection import maps_of
from encoders.modalities.configured import modalities_of
from encoders.modalities.modality import ModalitySet
from ranker.library.library import VideoLibrary
from ranker.profile.history import POSITIVE, weight_of
from ranker.training.fusion import (
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
from schemas.messages.feedback import Feedback
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.operations.snapshot import outdated

FEWEST = 200  # pairs; a guess: fewer say more about chance than about taste
FEWEST_HELD = 20  # pairs to judge by; a guess
MOST_HELD = 5000  # pairs: with 100,000 videos the comparison takes seconds, not minutes
EPOCHS = 10
K = 10


class Outcome(NamedTuple):
    """What came of learning; `old` and `new` are recall@10 of the newest pairs, None where no weights were there."""

    version: str
    pairs: int
    held: int
    loss: float
    new: float
    old: float | None
    mean: float  # of the weighted mean, which learns nothing
    replaced: bool

    def __str__(self) -> str:
        before = "there were no weights before" if self.old is None else f"those before have {self.old:.3f}"
        kept = f"{self.version} is kept" if self.replaced else f"the new ones are no better: {self.version} stays"
        return (
            f"{self.pairs} pairs, loss {self.loss:.3f}; recall@{K} of the newest {self.held} pairs {self.new:.3f}, "
            f"{before}, the weighted mean has {self.mean:.3f}; {kept}"
        )


def learn_fusion(
    settings: Settings, gallery: VideoLibrary, watches: Sequence[Watched], report: Callable[[str], None]
) -> Outcome:
    """Learn from all but the newest watches, and keep the weights if these speak for them.

    gallery  as features.v1 stores it; only vectors that the present models made are looked at
    """
    start, videos = start_of(settings), [video for _, video in sorted(gallery.videos.items())]
    modalities = modalities_of(settings)
    rows = {name: rows_of(videos, name, len(of), modalities) for name, of in start.maps.items()}
    has = np.any([of.any(axis=1) for of in rows.values()], axis=0)
    known = {video.video_id: row for row, video in enumerate(videos) if has[row]}
    behind = outdated(gallery, modalities)
    early, late = newest_apart([one for one in watches if one.video_id in known])
    pairs, held = co_watched(early, known), co_watched(late, known)
    if len(pairs) < FEWEST or len(held) < FEWEST_HELD:
        raise OperatorError(
            f"The log holds {len(pairs)} pairs of videos watched together, and {len(held)} in its newest tenth.",
            f"{FEWEST} and {FEWEST_HELD} are the least to learn from. {behind}".rstrip(),
        )
    if behind:
        report(behind)
    report(f"{len(pairs)} pairs of {len(known)} videos to learn from, {len(held)} to judge by")
    losses: list[float] = []

    def after(epoch: int, loss: float) -> None:
        losses.append(loss)
        report(f"epoch {epoch} of {EPOCHS}: loss {loss:.3f}")

    learned = learn(rows, pairs, start, epochs=EPOCHS, seed=settings.seed, on_epoch=after)
    judge = judge_of(rows, held, settings.seed)
    before = weights_before(settings, start, report)
    new, old = judge(attention(learned)), None if before is None else judge(before)
    mean, replaced = load_fusion(modalities, "mean"), replaces(new, old)
    if replaced:
        made = attention(learned)
        version = write_attention(settings.data_dir / "fusion", made.maps, made.gates)
    else:
        version = before.version if before else ""
    return Outcome(version, len(pairs), len(held), losses[-1], new, old, judge(mean), replaced)


def judge_of(rows: Mapping[str, Vectors], held: Rows, seed: int) -> Callable[[Fusion], float]:
    """Recall@10 of the pairs [P, 2] that were held back, or of so many of them as there is time for."""
    drawn = np.random.default_rng(seed).permutation(len(held))[:MOST_HELD]
    asked = both_ways(held[drawn])
    return lambda weights: co_recall(weights(rows), asked, K)


def weights_before(settings: Settings, start: Learned, report: Callable[[str], None]) -> Attention | None:
    """The weights that are kept now; None where there are none of the shapes [D_m, 256] that the present models need.

    They do not say which models they were learned for, so they are judged as they serve: on what the present ones made.
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


def watch_of(event: Feedback) -> Watched | None:
    """What an event says about watching, if it speaks for the video."""
    video_id = getattr(event, "video_id", None)
    weight = weight_of(event)
    return Watched(event.user_id, video_id, event.at_ms) if video_id and weight and weight >= POSITIVE else None


def rows_of(videos: Sequence[Encoded], name: str, dim: int, modalities: ModalitySet) -> Vectors:
    """The vectors of this name that the present models made, one row a video [N, dim], zero where it has none."""
    made = np.zeros((len(videos), dim), np.float32)
    for place, video in enumerate(videos):
        vector = video.vectors.get(name)
        if vector and modalities.is_current(name, vector.encoder) and (row := decode_vector(vector, dim)) is not None:
            made[place] = row
    return made


def start_of(settings: Settings) -> Learned:
    """Where learning begins: in the space of the weighted mean, with all modalities counting the same."""
    maps = maps_of(modalities_of(settings), "mean")
    return Learned({**maps}, {name: np.zeros(len(of) + 1, np.float32) for name, of in maps.items()})


def attention(weights: Learned) -> Attention:
    """Weights as they are used."""
    return Attention(_float32(weights.maps), _float32(weights.gates), "learned")


def _float32(arrays: Mapping[str, Array]) -> dict[str, Vectors]:
    return {name: of.astype(np.float32) for name, of in arrays.items()}
