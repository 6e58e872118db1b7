"""From uploads to what the catalogue holds of them: vectors per modality, the one for retrieval, tags, labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from encoders.annotate.description import Describer, describer_of
from encoders.annotate.language import language_of, load_detector
from encoders.annotate.tags import above, merged
from encoders.base import LABELS, Classified, Classifier, Content, Encoder, Vectors, text_of
from encoders.fusion.embeddings import RETRIEVAL, fusion_of
from encoders.fusion.fusion import Fusion, version_of
from encoders.modalities.configured import modalities_of
from encoders.modalities.modality import Modality, ModalitySet
from encoders.modalities.opened import OpenedEncoders
from encoders.models.manifest import folder_of
from encoders.moderation.policy import KIND, Judgement, Moderation, Verdict, expiry_of, labels_of
from schemas.messages.plain_text import language_code
from schemas.messages.vectors import encode_vector
from schemas.messages.videos import CatalogueRecord, Encoded, Upload, Uploads, Vector, Withdrawn
from schemas.settings.model import Settings

TEXT = "text"  # the modality whose vectors moderation reads


class ModalityOutputs(NamedTuple):
    """What the encoders found in a batch: rows [N, D] by modality, and labels with their shares for each video."""

    vectors: dict[str, Vectors]
    labels: list[dict[str, float]]


@dataclass(frozen=True, eq=False)
class VideoEmbedder:
    """The encoders of a process by the name of their modality, and how their vectors become one."""

    modalities: ModalitySet
    encoders: Mapping[str, Encoder[Any]]
    fusion: Fusion
    moderation: Moderation
    describers: Mapping[str, Describer] = field(default_factory=dict)  # by modality, of those that are described

    @classmethod
    def of(cls, settings: Settings, *, replaying: bool = False) -> "VideoEmbedder":
        """Open what the settings ask for; a ModelError says in one sentence which model is missing or damaged.

        replaying  the bits of a vector depend on its video alone, and a model is opened when a video first needs it:
                   a log holds no pictures and no sound, so that a replay has only the text's in memory
        """
        load_detector()
        modalities = modalities_of(settings, replaying=replaying)
        encoders, describers = OpenedEncoders(modalities), {}
        if not replaying:
            describers = describers_of(modalities, encoders.open_all(), settings.data_dir / LABELS)
        moderation = Moderation.load(
            folder_of(settings.cache_dir),
            nudity=settings.nudity and not replaying,
            limit_days=settings.limit_days,
            text_version=next((one.version for one in modalities if one.name == TEXT), ""),
            provider="cpu" if replaying else settings.provider,
        )
        return cls(modalities, encoders, fusion_of(settings), moderation, describers)

    @property
    def version(self) -> str:
        """Of the retrieval vectors."""
        return version_of(self.fusion.version)

    def features(self, uploads: Sequence[Uploads], media: Sequence[Content | None] = ()) -> list[CatalogueRecord]:
        """The catalogue's record of each upload and withdrawal, in their order.

        media  the decoded media of each, None where it has none; empty where none has any
        """
        given = zip(uploads, media or [None] * len(uploads), strict=True)
        embedded = iter(self.embed([(one, read) for one, read in given if isinstance(one, Upload)]))
        return [
            next(embedded)
            if isinstance(one, Upload)
            else Withdrawn(video_id=one.video_id, at_ms=one.at_ms, reason=one.reason)
            for one in uploads
        ]

    def embed(self, videos: Sequence[tuple[Upload, Content | None]]) -> list[CatalogueRecord]:
        """Encode a batch; a video that says nothing gets no vectors and stays recommendable as popular or fresh.

        A video that moderation drops is withdrawn, with the reason.
        """
        if not videos:
            return []
        contents = [content_of(upload, media) for upload, media in videos]
        outputs = self.encode(contents)
        rows = {**outputs.vectors, RETRIEVAL: self.fusion(outputs.vectors)}  # [N, 256]
        judgements = self.moderation.judge(contents, outputs.vectors.get(TEXT))
        return [
            _dropped(upload, judgement)
            if judgement.verdict is Verdict.DROP
            else _encoded(
                upload,
                content,
                {name: encode_vector(self._made_by(name), of[row]) for name, of in rows.items() if of[row].any()},
                labels | labels_of(judgement),
                expiry_of(judgement, upload.at_ms, self.moderation.limit_days),
            )
            for row, ((upload, _), content, labels, judgement) in enumerate(
                zip(videos, contents, outputs.labels, judgements, strict=True)
            )
        ]

    def encode(self, contents: Sequence[Content]) -> ModalityOutputs:
        """All vectors and labels of a batch, before they are fused."""
        vectors: dict[str, Vectors] = {}
        labels: list[dict[str, float]] = [{} for _ in contents]
        for modality in self.modalities:
            found = self._classified(modality, [modality.read(content) for content in contents])
            vectors[modality.name] = found.vectors
            for video, shares in zip(labels, found.shares, strict=True):
                video |= self._named(modality, shares)
            vectors |= self._described(modality, found.shares)
        return ModalityOutputs(vectors, labels)

    def _described(self, modality: Modality[Any], shares: Vectors) -> dict[str, Vectors]:
        """What a modality's labels say, [N, D] by the name of such vectors; empty where nobody was asked."""
        if modality.name not in self.describers or not shares.shape[1]:
            return {}
        names = {one.of.name: one.name for one in self.modalities.described}
        return {names[modality.name]: self.describers[modality.name](shares)}

    def _classified(self, modality: Modality[Any], inputs: Sequence[Any]) -> Classified:
        """Vectors [N, D] and shares [N, L] of one modality; its encoder is not asked where no video has any of it."""
        nothing = np.zeros((len(inputs), 0), np.float32)
        if all(one is None for one in inputs):  # as in a replay, which so opens no model for pictures or sound
            return Classified(np.zeros((len(inputs), modality.dim), np.float32), nothing)
        encoder = self.encoders[modality.name]
        if modality.labels is None:
            return Classified(encoder.encode(inputs), nothing)
        return cast("Classifier[Any]", encoder).classify(inputs)

    def _named(self, modality: Modality[Any], shares: Vectors) -> dict[str, float]:
        if modality.labels is None or not len(shares):
            return {}
        kind, min_share, max_count = modality.labels
        names = cast("Classifier[Any]", self.encoders[modality.name]).labels
        return {f"{kind}:{name}": share for name, share in above(names, shares, min_share, max_count).items()}

    def _made_by(self, name: str) -> str:
        if name == RETRIEVAL:
            return self.version
        for one in self.modalities.described:
            if one.name == name:
                return self.describers[one.of.name].made_by
        encoder = self.encoders[name]
        return f"{encoder.name}@{encoder.version}"


def describers_of(
    modalities: ModalitySet, encoders: Mapping[str, Encoder[Any]], cache: Path | None = None
) -> dict[str, Describer]:
    """What describes the modalities whose labels are said in words, by their names; without those of no such labels."""
    found = {}
    for one in modalities.described:
        seen, read = cast("Classifier[Any]", encoders[one.of.name]), encoders[one.into.name]
        if not one.how.suits(seen.labels):
            continue
        made_by = f"{seen.name}-in-{read.name}@{one.version}"
        found[one.of.name] = describer_of(one.how, seen.labels, read, made_by, cache)
    return found


def content_of(upload: Upload, media: Content | None = None) -> Content:
    """What is known of a video: what its upload says, and what was read of its media."""
    return replace(
        media or Content(),
        text=text_of(upload.title, upload.description, upload.tags, upload.category),
        title=upload.title,
        description=upload.description,
        tags=upload.tags,
        category=upload.category,
        language=upload.language,
    )


def language_of_upload(video: Upload) -> str | None:
    """The language that an upload names, else that of its title and description where it can be told, else None.

    >>> language_of_upload(Upload(video_id="v7", at_ms=1_650_000_000_000, title="Frische Nudeln selbst gemacht"))
    'de'
    """
    return video.language if language_code(video.language) else language_of(text_of(video.title, video.description))


def _dropped(video: Upload, judgement: Judgement) -> Withdrawn:
    return Withdrawn(video_id=video.video_id, at_ms=video.at_ms, reason=f"{KIND} {judgement.reason}")


def _encoded(
    video: Upload,
    content: Content,
    vectors: Mapping[str, Vector | None],
    labels: dict[str, float],
    expires: dict[str, int],
) -> Encoded:
    found = [label.partition(":")[2] for label in labels if not label.startswith(KIND)]
    given = merged(video.tags or [])
    tags = merged(given, found)
    measured_ms = content.duration_ms or None  # a still picture has none, and some files say 0
    return Encoded(
        video_id=video.video_id,
        at_ms=video.at_ms,
        creator_id=video.creator_id,
        title=video.title,
        description=video.description,
        tags=tags,
        found_tags=len(tags) - len(given),
        category=video.category,
        language=language_of_upload(video),
        duration_ms=measured_ms if video.duration_ms is None else video.duration_ms,
        music_id=video.music_id,
        media_uri=video.media_uri,
        thumbnail_uri=video.thumbnail_uri,
        vectors={name: vector for name, vector in vectors.items() if vector is not None},
        labels=labels,
        expires=expires,
    )
