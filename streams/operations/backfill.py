"""A recorded log's videos described anew, beside the agents: by other models, or for the first time.

Runs in a process of its own and at low priority, so that new uploads, which the encoding agent takes, come first. It
may be stopped and started at any time: what is described by the present models is passed over.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from kafka import KafkaProducer
from kafka.errors import KafkaError

from encoders.base import Content
from encoders.embedder import VideoEmbedder
from encoders.fusion.embeddings import DIM, RETRIEVAL
from encoders.modalities.modality import ModalitySet
from ranker.library.library import VideoLibrary
from ranker.retrieval.index import VideoIndex
from schemas.messages import videos
from schemas.messages.videos import CatalogueRecord, Upload, Uploads
from schemas.settings.model import Settings
from schemas.topics import FEATURES, MAX_RECORD_BYTES
from streams.encoding.index_sync import update_index
from streams.encoding.media_loader import MediaLoader
from streams.errors import OperatorError
from streams.kafka.records import Record
from streams.kafka.security import kafka_python_options
from streams.operations.snapshot import gallery_now
from streams.qdrant.index import open_index

AT_ONCE = 16  # videos between two confirmed sends
NICE = 10  # the agents' work comes first
CONFIRM_S = 60.0

Moved = Callable[[int, int], None]  # so many of so many


def backfill(settings: Settings, uploads: Iterable[Uploads], moved: Moved) -> int:
    """Describe what the catalogue lacks, for a Qdrant server too where one is set; returns how many were described."""
    os.nice(NICE)
    gallery = asyncio.run(gallery_now(settings))
    describer = VideoEmbedder.of(settings)
    lacking = todo(uploads, gallery, describer.modalities)
    producer = KafkaProducer(**kafka_python_options(settings), acks="all", max_request_size=MAX_RECORD_BYTES)
    try:
        asyncio.run(_describe(settings, lacking, describer, producer, moved))
    finally:
        producer.close(timeout=5)
    return len(lacking)


def todo(uploads: Iterable[Uploads], gallery: VideoLibrary, modalities: ModalitySet) -> list[Upload]:
    """The newest upload of each video that the catalogue does not hold as the present models describe it, by id.

    What was withdrawn at the same time or later is left alone.
    """
    newest: dict[str, Uploads] = {}
    for one in uploads:
        known = newest.get(one.video_id)
        if known is None or one.at_ms >= known.at_ms:
            newest[one.video_id] = one
    sent = [one for _, one in sorted(newest.items()) if isinstance(one, Upload)]
    return [one for one in sent if not is_described(one, gallery, modalities)]


def is_described(upload: Upload, gallery: VideoLibrary, modalities: ModalitySet) -> bool:
    """Whether the catalogue knows this upload, or a later one, by the present models, or that it was withdrawn."""
    gone = gallery.withdrawn.get(upload.video_id)
    if gone is not None and gone.at_ms >= upload.at_ms:
        return True
    video = gallery.videos.get(upload.video_id)
    if video is None or video.at_ms < upload.at_ms:
        return False
    if video.at_ms > upload.at_ms:
        return True
    retrieval = video.vectors.get(RETRIEVAL)
    of_all = retrieval is None or modalities.are_all_in(retrieval.encoder)  # none was added since it was encoded
    return of_all and not any(modalities.is_outdated(name, of.encoder) for name, of in video.vectors.items())


async def _describe(
    settings: Settings, lacking: Sequence[Upload], describer: VideoEmbedder, producer: KafkaProducer, moved: Moved
) -> None:
    media = MediaLoader(settings)
    async with _server_index(settings, describer.version) as index:
        for start in range(0, len(lacking), AT_ONCE):
            some = lacking[start : start + AT_ONCE]
            contents: Sequence[Content | None] = (
                await media.load_batch([(_nowhere(one), one) for one in some])
            ).contents
            made = describer.features(some, contents)
            if index is not None:
                await update_index(index, made, describer.modalities)
            _send(settings, made, producer)
            moved(start + len(some), len(lacking))
        gallery = await gallery_now(settings)
        if index is not None:
            await index.remove(gone_meanwhile(lacking, gallery))
    _mend(settings, gallery, producer)


def gone_meanwhile(lacking: Sequence[Upload], gallery: VideoLibrary) -> list[str]:
    """Videos that were withdrawn while they were described: an index may have got them after it had let them go."""
    return [one.video_id for one in lacking if one.video_id in gallery.withdrawn]


def _mend(settings: Settings, gallery: VideoLibrary, producer: KafkaProducer) -> None:
    """Put what is newer behind what we have put behind it: of a video only the last record survives compaction."""
    _send(settings, [gallery.newest(video_id) for video_id in sorted(gallery.overtaken)], producer)


@asynccontextmanager
async def _server_index(settings: Settings, version: str) -> AsyncIterator[VideoIndex | None]:
    """The Qdrant server that is set, or None."""
    if not settings.qdrant_url:
        yield None
        return
    index = await open_index(settings, DIM, version)
    try:
        yield index
    finally:
        await index.close()


def _send(settings: Settings, made: Sequence[CatalogueRecord], producer: KafkaProducer) -> None:
    topic = FEATURES.full(settings.prefix)
    sent = [producer.send(topic, videos.encode(one), key=one.video_id.encode()) for one in made]
    try:
        for outcome in sent:
            outcome.get(timeout=CONFIRM_S)
    except KafkaError as error:
        raise OperatorError(
            f"{topic}: a record was not confirmed: {error}.", "Run it again: it goes on there."
        ) from error


def _nowhere(upload: Upload) -> Record:
    """The place of an upload that was not read from Kafka; its dead letters are not sent."""
    return Record("", -1, -1, upload.at_ms, upload.video_id.encode(), None)
