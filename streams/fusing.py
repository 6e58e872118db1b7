"""Learning the fusion from a log: which videos the same people watched, and what the encoders found in them."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from encoders.base import Vectors
from encoders.fuse import maps_of, write_attention
from encoders.manifest import folder_of
from ranker.gallery import Gallery
from ranker.marks import POSITIVE, weight_of
from ranker.train_fusion import Array, Learned, Watched, co_watched, learn
from schemas.events import Feedback
from schemas.settings import Settings
from streams.trouble import Trouble

FEWEST = 200  # pairs; a guess: fewer say more about chance than about taste
EPOCHS = 10


def learn_fusion(settings: Settings, gallery: Gallery, events: Iterable[Feedback], say: Callable[[str], None]) -> str:
    """Learn from all that was watched, and keep the weights where the workers look for them; returns their version."""
    videos = sorted(gallery.videos)
    known = {video_id: row for row, video_id in enumerate(videos)}
    pairs = co_watched([watched for event in events if (watched := watch_of(event))], known)
    if len(pairs) < FEWEST:
        raise Trouble(f"The log holds {len(pairs)} pairs of videos watched together, {FEWEST} are the least.", "")
    say(f"{len(pairs)} pairs of {len(videos)} videos")
    start = start_of(settings)
    learned = learn(
        {name: rows_of(gallery, name, known, len(of)) for name, of in start.maps.items()},
        pairs,
        start,
        epochs=EPOCHS,
        seed=settings.seed,
        said=lambda epoch, loss: say(f"epoch {epoch} of {EPOCHS}: loss {loss:.3f}"),
    )
    return write_attention(settings.data_dir / "fusion", _float32(learned.maps), _float32(learned.gates))


def watch_of(event: Feedback) -> Watched | None:
    """What an event says about watching, if it speaks for the video."""
    video_id = getattr(event, "video_id", None)
    weight = weight_of(event)
    return Watched(event.user_id, video_id, event.at_ms) if video_id and weight and weight >= POSITIVE else None


def rows_of(gallery: Gallery, name: str, known: Mapping[str, int], dim: int) -> Array:
    """The vectors of this name, one row a known video [N, dim], zero where it has none."""
    videos, rows = gallery.column(name)
    made = np.zeros((len(known), dim))
    for video, row in zip(videos, rows, strict=True):
        made[known[video.video_id]] = row
    return made


def start_of(settings: Settings) -> Learned:
    """Where learning begins: at the weighted mean."""
    maps = {name: of.astype(np.float64) for name, of in maps_of(folder_of(settings.cache_dir), "mean").items()}
    return Learned(maps, {name: np.zeros(len(of) + 1) for name, of in maps.items()})


def _float32(arrays: Mapping[str, Array]) -> dict[str, Vectors]:
    return {name: of.astype(np.float32) for name, of in arrays.items()}
