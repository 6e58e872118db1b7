"""Backfill: the videos of a recorded log are embedded while the agents run, by other models or for the first time.

Runs in a process of its own and at low priority, so that new uploads, which the encoding agent embeds, come first. It
may be stopped and restarted at any time: a video that was embedded by the present models is skipped.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import NamedTuple, cast

from msgspec.structs import replace

from encoders.annotate.tags import merged
from encoders.base import Content
from encoders.embedder import VideoEmbedder
from encoders.fusion.embeddings import RETRIEVAL, fused_again
from encoders.fusion.fusion import Fusion
from encoders.modalities.modality import ModalitySet
from encoders.moderation.policy import KIND
from ranker.library.library import VideoLibrary
from schemas.messages import videos
from schemas.messages.videos import CatalogueRecord, Encoded, Upload, Uploads
from schemas.settings.model import Settings
from schemas.topics import FEATURES
from streams.dead_letters.validation import FUTURE_MS
from streams.encoding.circuit_breaker import CircuitBreakers
from streams.encoding.fetch import Wire
from streams.encoding.media_loader import MediaLoader
from streams.kafka.command_publisher import CommandPublisher, command_publisher
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.operations.snapshot import library_now

EMBED_BATCH_SIZE = 16  # videos between two confirmed sends
NICE = 10  # the agents' work comes first
DELIVERY_TIMEOUT_S = 60.0

OnProgress = Callable[[int, int], None]  # so many of so many


class Backfilled(NamedTuple):
    """How many videos were embedded, and how many stay as they were, since their media cannot be read any more."""

    embedded: int
    left: int


def backfill(settings: Settings, uploads: Iterable[Uploads], on_progress: OnProgress) -> Backfilled:
    """Embed what the catalogue lacks."""
    os.nice(NICE)
    library = asyncio.run(library_now(settings))
    embedder = VideoEmbedder.of(settings)
    missing = missing_uploads(uploads, library, embedder.modalities)
    remedy = "Run the backfill again: it continues there."
    with command_publisher(settings, limit_s=DELIVERY_TIMEOUT_S, remedy=remedy) as publisher:
        left = asyncio.run(_embed(settings, missing, library, embedder, publisher, on_progress))
    return Backfilled(len(missing) - left, left)


def missing_uploads(uploads: Iterable[Uploads], library: VideoLibrary, modalities: ModalitySet) -> list[Upload]:
    """The newest upload of each video that the catalogue does not hold as embedded by the present models, by id.

    Videos that were withdrawn at the same time or later are left out. As in a partition, of two lines of a video the
    later one counts, unless it is older by more than clocks may differ.
    """
    newest: dict[str, Sent] = {}
    for one in uploads:
        known = newest.get(one.video_id)
        if known is None or one.at_ms >= known.order_ms - FUTURE_MS:
            newest[one.video_id] = Sent(one, max(one.at_ms, known.order_ms + 1 if known else 0))
    uploaded = [sent for _, sent in sorted(newest.items()) if isinstance(sent.one, Upload)]
    missing = [(sent, stored_upload(sent, library)) for sent in uploaded if not is_embedded(sent, library, modalities)]
    return [
        replace(cast(Upload, sent.one), at_ms=sent.order_ms if stored is None else stored.at_ms)
        for sent, stored in missing
    ]


class Sent(NamedTuple):
    """An upload or withdrawal as its creator sent it, and a time above that of those that it replaces."""

    one: Uploads
    order_ms: int


def stored_upload(sent: Sent, library: VideoLibrary) -> Encoded | None:
    """What the catalogue made of this very upload: it may have been given a later time, to replace another one."""
    stored = library.videos.get(sent.one.video_id)
    is_it = stored is not None and sent.one.at_ms == stored.source.get("at_ms", stored.at_ms)
    return stored if is_it else None


def is_embedded(sent: Sent, library: VideoLibrary, modalities: ModalitySet) -> bool:
    """Whether the catalogue knows this upload, or a later one, by the present models, or that it was withdrawn."""
    video_id = sent.one.video_id
    if (withdrawn := library.withdrawn.get(video_id)) is not None:
        return withdrawn.at_ms >= sent.order_ms
    video = stored_upload(sent, library)
    if video is None:
        return video_id in library.videos and library.videos[video_id].at_ms > sent.order_ms
    retrieval = video.vectors.get(RETRIEVAL)
    of_all = retrieval is None or modalities.are_all_in(retrieval.encoder)  # none was added since it was embedded
    return of_all and not modalities.wants_backfill(made_by(video))


async def _embed(
    settings: Settings,
    missing: Sequence[Upload],
    library: VideoLibrary,
    embedder: VideoEmbedder,
    publisher: CommandPublisher,
    on_progress: OnProgress,
) -> int:
    """Embed and publish; returns how many are left as they were."""
    left = 0
    patient = Wire(circuits=CircuitBreakers(failures=inf))  # nobody waits, and no video is embedded a second time
    loader = MediaLoader(settings, patient)
    for start in range(0, len(missing), EMBED_BATCH_SIZE):
        batch = missing[start : start + EMBED_BATCH_SIZE]
        media = await loader.load_batch([(_unread_record(one), one) for one in batch])
        contents: Sequence[Content | None] = media.contents
        made = with_places(embedder.features(batch, contents), library)
        whole = [with_what_is_kept(one, library, embedder.fusion, embedder.modalities) for one in made]
        changed = [one for one in whole if not is_as_stored(one, library)]
        left += len(made) - len(changed)
        _publish(settings, changed, publisher)
        on_progress(start + len(batch), len(missing))
    _repair(settings, await library_now(settings), publisher)
    return left


def made_by(video: Encoded) -> dict[str, str]:
    """The encoders of a video's vectors by name."""
    return {name: of.encoder for name, of in video.vectors.items()}


def is_as_stored(made: CatalogueRecord, library: VideoLibrary) -> bool:
    """Whether nothing new has come of the very upload that is stored."""
    stored = library.videos.get(made.video_id)
    if stored is None or not isinstance(made, Encoded):
        return False
    return made.at_ms == stored.at_ms and made_by(made) == made_by(stored)


def with_what_is_kept(
    made: CatalogueRecord, library: VideoLibrary, fusion: Fusion, modalities: ModalitySet
) -> CatalogueRecord:
    """A video made again, with what is stored by present models of media that cannot be read any more.

    Its own vectors count, and those that it lacks are the stored ones; the retrieval vector is of both. Labels and tags
    of what is kept stay, and what moderation has found, which may be of pictures that nobody can look at again.
    """
    stored = library.videos.get(made.video_id)
    if stored is None or not isinstance(made, Encoded) or made.at_ms != stored.at_ms:
        return made
    kept = {
        name: vector
        for name, vector in stored.vectors.items()
        if name not in made.vectors and modalities.is_current(name, vector.encoder)
    }
    if not kept:
        return made
    kinds = (KIND, *(f"{one.labels.kind}:" for one in modalities if one.name in kept and one.labels))
    labels = {label: share for label, share in stored.labels.items() if label.startswith(kinds)}
    tags = merged(made.tags, (label.partition(":")[2] for label in labels if not label.startswith(KIND)))
    return fused_again(
        replace(
            made,
            vectors={**made.vectors, **kept},
            labels={**labels, **made.labels},
            expires={**stored.expires, **made.expires},
            tags=tags,
            found_tags=made.found_tags + len(tags) - len(made.tags),
            duration_ms=stored.duration_ms if made.duration_ms is None else made.duration_ms,
        ),
        fusion,
        modalities,
    )


def with_places(made: Sequence[CatalogueRecord], library: VideoLibrary) -> list[CatalogueRecord]:
    """Records made again keep the place of their upload, by which the encoding agent orders what follows."""
    stored = [library.videos.get(one.video_id) for one in made]
    return [
        replace(one, source=old.source) if old is not None and old.at_ms == one.at_ms else one
        for one, old in zip(made, stored, strict=True)
    ]


def _repair(settings: Settings, library: VideoLibrary, publisher: CommandPublisher) -> None:
    """Re-publish newer records that ours overtook: of a video only the last record survives compaction."""
    _publish(settings, [library.newest(video_id) for video_id in sorted(library.overtaken)], publisher)


def _publish(settings: Settings, features: Sequence[CatalogueRecord], publisher: CommandPublisher) -> None:
    records = [Outgoing(one.video_id.encode(), videos.encode(one)) for one in features]
    publisher.publish(FEATURES.full(settings.prefix), records)


def _unread_record(upload: Upload) -> Record:
    """A record for an upload that was not read from Kafka; its dead letters are not published."""
    return Record("", -1, -1, upload.at_ms, upload.video_id.encode(), None)
