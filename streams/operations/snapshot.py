"""A snapshot of a running system: the videos that features.v1 holds by now, and a person's newest profile."""

import asyncio
from collections.abc import Collection, Sequence
from itertools import islice

from msgspec.structs import replace

from encoders.base import Vectors
from encoders.fusion.embeddings import fusion_of, with_fusion_version
from encoders.fusion.fusion import Fusion, version_of
from encoders.modalities.configured import modalities_of
from encoders.modalities.modality import ModalitySet
from encoders.modalities.text import TextEncoder
from encoders.models.manifest import folder_of
from ranker.catalogue.entry import restricted_until_ms
from ranker.library.library import RETRIEVAL, VideoLibrary
from ranker.library.playlist import Wish
from ranker.profile.codec import unpack
from ranker.profile.history import POSITIVE
from ranker.profile.model import Profile, seen_codes, video_code
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from schemas.topics import FEATURES, PROFILES
from streams.errors import OperatorError
from streams.kafka.probe import Report, wait_for_authenticated_broker
from streams.kafka.reader import read_to_end, required_partitions
from streams.kafka.records import Record, partition_of
from streams.ranking.shared_state import catalogue_record_of

TAIL = 20_000  # records of a partition's end that are searched for a person before all of it is; a guess
INTERESTS = 8  # newest likes and whole watches that stand for a person; a guess


def read_library(settings: Settings, report: Report) -> VideoLibrary:
    """All embedded videos with vectors of the present version, as an index holds them; OperatorError without any."""
    fusion, stored, modalities = fusion_of(settings), read_stored_library(settings, report), modalities_of(settings)
    if notice := outdated_notice(stored, modalities):
        report(notice)
    videos = {video_id: with_current_vectors(video, fusion, modalities) for video_id, video in stored.videos.items()}
    return VideoLibrary(videos, stored.withdrawn, stored.overtaken)


def read_stored_library(settings: Settings, report: Report) -> VideoLibrary:
    """All embedded videos with the vectors of any version that features.v1 holds; OperatorError without any."""
    wait_for_authenticated_broker(settings, report)
    library = asyncio.run(library_now(settings))
    if not library.videos:
        topic = FEATURES.full(settings.prefix)
        raise OperatorError(f"{topic} holds no video.", "`freshet worker encoder` embeds what is uploaded.")
    return library


async def library_now(settings: Settings) -> VideoLibrary:
    """All videos that are embedded or withdrawn by now, as features.v1 stores them."""
    topic, library = FEATURES.full(settings.prefix), VideoLibrary()
    async for records in read_to_end(settings, topic, await required_partitions(settings, topic)):
        decoded = (catalogue_record_of(record) for record in records if record.value)
        library.take(one for one in decoded if one is not None)
    return library


def with_current_vectors(video: Encoded, fusion: Fusion, modalities: ModalitySet) -> Encoded:
    """The video with vectors of the present models alone, and the retrieval vector that this fusion makes of them."""
    made, version = with_fusion_version(video, fusion, modalities), version_of(fusion.version)
    kept = {
        name: vector
        for name, vector in made.vectors.items()
        if (vector.encoder == version if name == RETRIEVAL else modalities.is_current(name, vector.encoder))
    }
    return made if kept == made.vectors else replace(made, vectors=kept)


def outdated_notice(library: VideoLibrary, modalities: ModalitySet) -> str:
    """A sentence about the videos that other models embedded, and what to do; empty where there is none."""
    made_by = [{name: of.encoder for name, of in video.vectors.items()} for video in library.videos.values()]
    outdated = sum(any(modalities.is_outdated(*one) for one in of_video.items()) for of_video in made_by)
    undescribed = sum(map(modalities.is_undescribed, made_by))
    notices = (
        f"{outdated} of {len(made_by)} videos have vectors of other models, which are left out" if outdated else "",
        f"{undescribed} of {len(made_by)} are not found by words for what they show or sound like"
        if undescribed
        else "",
    )
    return f"{'; '.join(filter(None, notices))}: run `freshet backfill` on their uploads." if any(notices) else ""


def text_vector(settings: Settings, words: str) -> Vectors:
    """float32 [384] of some words; OperatorError where there is no word among them."""
    vector: Vectors = text_vectors(settings, [words])[0]
    return vector


def text_vectors(settings: Settings, queries: Sequence[str]) -> Vectors:
    """The same of several queries, float32 [Q, 384]."""
    vectors = TextEncoder(folder_of(settings.cache_dir), model=settings.text_model, provider="cpu").encode(queries)
    if not vectors.any(axis=1).all():
        raise OperatorError("There is no word in the query.", "Say what the video should be about.")
    return vectors


def wish_of(settings: Settings, library: VideoLibrary, user_id: str, theme: str | None) -> Wish:
    """What a person's newest profile asks for, at the time of its newest event; an unknown person has no interests."""
    profile = asyncio.run(stored_profile(settings, user_id))
    wish = wish_by(library, profile, None if theme is None else text_vector(settings, theme))
    if wish.is_empty:
        raise OperatorError(f"Nothing is known of what {user_id!r} likes.", "Give a --theme.")
    return wish


def wish_by(library: VideoLibrary, profile: Profile | None, theme: Vectors | None) -> Wish:
    """What a profile asks for: more of what it likes most lately, nothing that it knows and nothing limited."""
    liked = [] if profile is None else [*profile.likes, *(one for one in profile.watches if one.weight >= POSITIVE)]
    newest = sorted(liked, key=lambda one: (-one.at_ms, one.video_id))
    places = (library.place(one.video_id, RETRIEVAL) for one in newest)
    rows = [*islice((place for place in places if place is not None), INTERESTS)]
    exclude = _restricted(library, profile).union(_seen(library.videos, profile))
    return Wish(library.column(RETRIEVAL)[1][rows], theme, frozenset(exclude))


def _restricted(library: VideoLibrary, profile: Profile | None) -> set[str]:
    now_ms = 0 if profile is None else profile.newest_ms
    return {video_id for video_id, video in library.videos.items() if restricted_until_ms(video) > now_ms}


def _seen(video_ids: Collection[str], profile: Profile | None) -> set[str]:
    codes = frozenset() if profile is None else frozenset(seen_codes(profile))
    return {video_id for video_id in video_ids if video_code(video_id) in codes}


async def stored_profile(settings: Settings, user_id: str) -> Profile | None:
    """A person's newest profile as profiles.v1 holds it; None where there is none.

    The end of their partition is read first: whoever did something lately is there.
    """
    topic, key = PROFILES.full(settings.prefix), user_id.encode()
    count = len(await required_partitions(settings, topic))
    for back in (TAIL, None):
        newest: Record | None = None
        async for records in read_to_end(settings, topic, [partition_of(key, count)], back):
            newest = next((record for record in reversed(records) if record.key == key), newest)
        if newest is not None:
            return unpack(newest.value) if newest.value else None
    return None
