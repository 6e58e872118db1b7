"""The encoding agent: makes of each upload what the catalogue holds of it, and keeps a Qdrant server in step."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from encoders.base import Precision
from encoders.embedder import VideoEmbedder
from encoders.fusion.embeddings import MODALITIES, is_from_current_model, vector_of
from ranker.catalogue import entry
from ranker.retrieval.index import IndexedVideo, IndexUnavailable, VideoIndex
from schemas.messages import videos
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.videos import CatalogueRecord, Encoded, Uploads, Withdrawn
from schemas.settings.model import Settings
from schemas.topics import FEATURES, UPLOADS
from streams.dead_letters.publisher import DeadLetterPublisher
from streams.dead_letters.validation import read_upload
from streams.encoding.media_loader import MediaLoader
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.owned_state import OwnedState
from streams.kafka.poll import Poll, Raw
from streams.kafka.records import Record, partition_of
from streams.qdrant.client import IndexRefused

log = logging.getLogger("freshet.encoding")

AT_ONCE = 32  # uploads between two confirmed sends: with media some seconds
ABOUT = ("title", "duration_ms", "music_id", "labels", "expires", "source")  # what the index only keeps
PAUSE_S = 2.0  # before an index that did not answer is asked again


def declare(
    app: Any,
    settings: Settings,
    describer: VideoEmbedder,
    media: MediaLoader,
    index: VideoIndex | None,
    known: OwnedState[int],
    out: ConfirmedProducer,
) -> Any:
    """Declare the agent on a batch-wise Faust app; without an index the ranking processes' own is fed by features.

    `known` holds the newest event time of each video: what is older is passed over, since of a video only the last
    record survives compaction.
    """
    uploads = app.topic(UPLOADS.full(settings.prefix), schema=Raw())
    features, dead = FEATURES.full(settings.prefix), DeadLetterPublisher(settings, out, "encoder")

    @app.agent(uploads, name="encoder")
    async def encode(polls: Any) -> None:
        """Encode every upload; pass every withdrawal on."""
        poll: Poll
        async for poll in polls:
            records = [record for _, batch in poll.items() for record in batch]
            for start in range(0, len(records), AT_ONCE):
                some = records[start : start + AT_ONCE]
                read = [(record, read_upload(record)) for record in some]
                sound = [(record, one) for record, one in read if not isinstance(one, DeadLetter)]
                newer = not_outdated(known, sound, settings.partitions)
                with app.transport.waits.waiting("media"):
                    seen = await media.load_batch(newer)
                letters = [one for _, one in read if isinstance(one, DeadLetter)]
                await dead.put([*letters, *seen.dead_letters], read=len(some))
                made = await asyncio.to_thread(describer.features, [one for _, one in newer], seen.contents)
                if index is not None:
                    with app.transport.waits.waiting("the index"):
                        await in_step(index, made, settings.image_precision)
                await out.put_by_key(features, [Outgoing(one.video_id.encode(), videos.encode(one)) for one in made])
                await out.confirmed()
            poll.done()

    return encode


def not_outdated(
    known: OwnedState[int], read: Sequence[tuple[Record, Uploads]], partitions: int
) -> list[tuple[Record, Uploads]]:
    """What is not older than what is known of its video; takes the times of the rest into `known`."""
    newer = []
    for record, one in read:
        times = known.of(partition_of(one.video_id.encode(), partitions))
        if one.at_ms >= times.get(one.video_id, 0):
            times[one.video_id] = one.at_ms
            newer.append((record, one))
    return newer


async def in_step(index: VideoIndex, made: Sequence[CatalogueRecord], pictures: Precision) -> None:
    """Bring the index up to these features, however long it is away: the poll stays in hand."""
    newest = {one.video_id: one for one in sorted(made, key=lambda one: one.at_ms)}
    while True:
        try:
            await index.upsert([video for one in newest.values() if (video := indexed(one, pictures))])
            await index.remove([one.video_id for one in newest.values() if isinstance(one, Withdrawn)])
            return
        except IndexRefused:
            raise  # a wrong key or collection does not mend itself
        except IndexUnavailable as error:
            log.warning("%d videos wait for the index: %s", len(newest), error)
            await asyncio.sleep(PAUSE_S)


def indexed(video: CatalogueRecord, pictures: Precision) -> IndexedVideo | None:
    """What an index keeps of a video, or None where there is nothing to find it by.

    Of the modalities only what the present models made, so that no two versions lie in one collection.
    """
    vector = vector_of(video) if isinstance(video, Encoded) else None
    if not isinstance(video, Encoded) or vector is None:
        return None
    made_now = {
        name: entry.vector_of(of, MODALITIES[name])
        for name, of in video.vectors.items()
        if name in MODALITIES and is_from_current_model(name, of, pictures)
    }
    return IndexedVideo(
        video_id=video.video_id,
        vector=vector,
        at_ms=video.at_ms,
        creator_id=video.creator_id,
        category=video.category,
        language=video.language,
        tags=tuple(video.tags),
        modalities={name: row for name, row in made_now.items() if row is not None},
        about={name: said for name in ABOUT if (said := getattr(video, name))},
    )
