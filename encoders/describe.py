"""From uploads to what the catalogue holds of them: vectors per modality, and the one that retrieval uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoders.base import Encoder, Vectors, text_of
from encoders.fuse import RETRIEVAL_DIM, Projection, fuse
from encoders.manifest import EXPORTER, WEIGHTS, key_of
from encoders.runtime import Provider
from encoders.text import TextEncoder
from schemas.videos import Encoded, Features, Upload, Uploads, Vector, Withdrawn

RETRIEVAL = "retrieval"  # name of the vector that the index holds
DIM = RETRIEVAL_DIM
VERSION = f"{TextEncoder.name}@fp32-{key_of(WEIGHTS, EXPORTER)}"  # of that vector; two versions never share an index


@dataclass(frozen=True, eq=False)
class Describer:
    """The encoders of a process, and how their vectors become one."""

    text: Encoder[str]
    projection: Projection
    version: str = VERSION

    @classmethod
    def load(cls, folder: Path, *, provider: Provider = "auto", threads: int = 1, exact: bool = False) -> "Describer":
        """Open the models of a folder; raises ModelError in one sentence when one is missing or damaged."""
        text = TextEncoder(folder, provider=provider, threads=threads, exact=exact)
        return cls(text, Projection.load(folder))

    def features(self, uploads: Sequence[Uploads]) -> list[Features]:
        """What the catalogue is told of each upload and withdrawal, in their order."""
        ready = iter(self.describe([one for one in uploads if isinstance(one, Upload)]))
        return [
            next(ready)
            if isinstance(one, Upload)
            else Withdrawn(video_id=one.video_id, at_ms=one.at_ms, reason=one.reason)
            for one in uploads
        ]

    def describe(self, uploads: Sequence[Upload]) -> list[Encoded]:
        """Encode a batch; a video that says nothing gets no vectors and stays recommendable as popular or fresh."""
        if not uploads:
            return []
        texts = [text_of(video.title, video.description, video.tags, video.category) for video in uploads]
        text = self.text.encode(texts)  # [N, 384]
        retrieval = self.projection(fuse(text=text))  # [N, 256]
        return [
            _encoded(video, {"text": (self.text, text[row]), RETRIEVAL: (self, retrieval[row])})
            for row, video in enumerate(uploads)
        ]


def _encoded(video: Upload, rows: dict[str, tuple["Encoder[str] | Describer", Vectors]]) -> Encoded:
    vectors = {
        name: Vector(len(row), made_by.version, _bytes(row)) for name, (made_by, row) in rows.items() if row.any()
    }
    return Encoded(
        video_id=video.video_id,
        at_ms=video.at_ms,
        creator_id=video.creator_id,
        title=video.title,
        tags=video.tags or [],
        category=video.category,
        language=video.language,
        duration_ms=video.duration_ms,
        music_id=video.music_id,
        vectors=vectors,
    )


def _bytes(row: Vectors) -> bytes:
    return row.astype("<f4").tobytes()


def vector_of(video: Encoded, name: str = RETRIEVAL) -> Vectors | None:
    """Float32 [D] of a described video, or None where it has none of that name."""
    vector = video.vectors.get(name)
    return None if vector is None else np.frombuffer(vector.data, dtype="<f4")
