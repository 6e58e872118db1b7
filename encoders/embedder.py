"""From uploads to what the catalogue holds of them: vectors per modality, the one for retrieval, tags, labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from encoders.annotate.language import language_of, load_detector
from encoders.annotate.tags import PICTURE_LEAST, SOUND_LEAST, Topics, above, merged
from encoders.base import Content, Precision, Vectors, text_of
from encoders.fusion.embeddings import RETRIEVAL, fusion_of, packed
from encoders.fusion.fusion import Fusion, load_fusion, version_of
from encoders.modalities.audio import AudioEncoder
from encoders.modalities.image import ImageEncoder
from encoders.modalities.text import TextEncoder
from encoders.models.manifest import folder_of
from encoders.models.session import Provider
from encoders.moderation.policy import KIND, Judged, Safety, Verdict, expiry_of, labels_of
from schemas.messages.videos import CatalogueRecord, Encoded, Upload, Uploads, Vector, Withdrawn
from schemas.settings.model import Settings


class ModalityOutputs(NamedTuple):
    """What the encoders found of a batch: rows [N, D] by modality, and labels with their shares for each video."""

    vectors: dict[str, Vectors]
    labels: list[dict[str, float]]


@dataclass(frozen=True, eq=False)
class VideoEmbedder:
    """The encoders of a process, and how their vectors become one."""

    text: TextEncoder
    image: ImageEncoder
    audio: AudioEncoder
    topics: Topics
    safety: Safety
    fusion: Fusion

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        provider: Provider = "auto",
        threads: int = 1,
        exact: bool = False,
        fusion: Fusion | None = None,
        nudity: bool = False,
        limit_days: int = 0,
        pictures: Precision = "int8",
    ) -> "VideoEmbedder":
        """Open the models of a folder; raises ModelError in one sentence when one is missing or damaged."""
        load_detector()
        text = TextEncoder(folder, provider=provider, threads=threads, exact=exact)
        image = ImageEncoder(folder, provider=provider, threads=threads, precision=pictures)
        audio = AudioEncoder(folder, provider=provider, threads=threads)
        gate = Safety.load(folder, nudity=nudity, limit_days=limit_days, provider=provider, threads=threads)
        return cls(text, image, audio, Topics.of(text), gate, fusion or load_fusion(folder, pictures=pictures))

    @classmethod
    def of(cls, settings: Settings, *, replaying: bool = False) -> "VideoEmbedder":
        """Open what the settings ask for; a replay looks at no picture and needs the same bits whatever the batch."""
        return cls.load(
            folder_of(settings.cache_dir),
            provider="cpu" if replaying else settings.provider,
            exact=replaying,
            fusion=fusion_of(settings),
            nudity=settings.nudity and not replaying,
            limit_days=settings.limit_days,
            pictures=settings.image_precision,
        )

    @property
    def version(self) -> str:
        """Of the retrieval vectors."""
        return version_of(self.fusion.version)

    def features(self, uploads: Sequence[Uploads], contents: Sequence[Content | None] = ()) -> list[CatalogueRecord]:
        """What the catalogue is told of each upload and withdrawal, in their order.

        contents  pictures and sound of each, None where there are none; empty: of all. Texts are the uploads' own.
        """
        given = zip(uploads, contents or [None] * len(uploads), strict=True)
        ready = iter(self.describe([(one, content) for one, content in given if isinstance(one, Upload)]))
        return [
            next(ready)
            if isinstance(one, Upload)
            else Withdrawn(video_id=one.video_id, at_ms=one.at_ms, reason=one.reason)
            for one in uploads
        ]

    def describe(self, videos: Sequence[tuple[Upload, Content | None]]) -> list[CatalogueRecord]:
        """Encode a batch; a video that says nothing gets no vectors and stays recommendable as popular or fresh.

        What the safety gate drops is withdrawn, with the reason.
        """
        if not videos:
            return []
        vectors, labels = self.look(videos)
        made = {name: f"{encoder.name}@{encoder.version}" for name, encoder in self.encoders.items()}
        rows = {**vectors, RETRIEVAL: self.fusion(vectors)}  # [N, 256]
        made[RETRIEVAL] = self.version
        contents = [content or Content() for _, content in videos]
        judgements = self.safety.judge([text_of_upload(one) for one, _ in videos], contents)
        return [
            _dropped(upload, judgement)
            if judgement.verdict is Verdict.DROP
            else _encoded(
                upload,
                {name: packed(made[name], rows[name][row]) for name in rows},
                labels[row] | labels_of(judgement),
                expiry_of(judgement, upload.at_ms, self.safety.limit_days),
            )
            for row, ((upload, _), judgement) in enumerate(zip(videos, judgements, strict=True))
        ]

    def look(self, videos: Sequence[tuple[Upload, Content | None]]) -> ModalityOutputs:
        """All vectors and labels of a batch, before they are fused."""
        contents = [content or Content() for _, content in videos]
        text = self.text.encode([text_of_upload(one) for one, _ in videos])  # [N, 384]
        image = self.image.look([content.frames for content in contents])  # [N, 1280], [N, 1000]
        audio = self.audio.listen([content.sound for content in contents])  # [N, 200], [N, 50]
        labels = [
            {
                **_named("topic", topics),
                **_named("image", above(self.image.labels, seen, PICTURE_LEAST)),
                **_named("audio", above(self.audio.labels, heard, SOUND_LEAST)),
            }
            for topics, seen, heard in zip(self.topics(text), image.shares, audio.shares, strict=True)
        ]
        return ModalityOutputs({"text": text, "image": image.vectors, "audio": audio.vectors}, labels)

    @property
    def encoders(self) -> Mapping[str, TextEncoder | ImageEncoder | AudioEncoder]:
        """The encoders by the name of their modality."""
        return {"text": self.text, "image": self.image, "audio": self.audio}


def text_of_upload(video: Upload) -> str | None:
    """What an upload says about itself, in one text."""
    return text_of(video.title, video.description, video.tags, video.category)


def language_of_upload(video: Upload) -> str | None:
    """The language that an upload names, else that of its title and description where it can be told, else None.

    >>> language_of_upload(Upload(video_id="v7", at_ms=1_650_000_000_000, title="Frische Nudeln selbst gemacht"))
    'de'
    """
    return video.language or language_of(text_of(video.title, video.description))


def _dropped(video: Upload, judgement: Judged) -> Withdrawn:
    return Withdrawn(video_id=video.video_id, at_ms=video.at_ms, reason=f"safety: {judgement.reason}")


def _named(kind: str, shares: Mapping[str, float]) -> dict[str, float]:
    return {f"{kind}:{name}": share for name, share in shares.items()}


def _encoded(
    video: Upload, vectors: Mapping[str, Vector | None], labels: dict[str, float], expires: dict[str, int]
) -> Encoded:
    found = [label.partition(":")[2] for label in labels if not label.startswith(KIND)]
    return Encoded(
        video_id=video.video_id,
        at_ms=video.at_ms,
        creator_id=video.creator_id,
        title=video.title,
        tags=merged(video.tags or [], found),
        category=video.category,
        language=language_of_upload(video),
        duration_ms=video.duration_ms,
        music_id=video.music_id,
        vectors={name: vector for name, vector in vectors.items() if vector is not None},
        labels=labels,
        expires=expires,
    )
