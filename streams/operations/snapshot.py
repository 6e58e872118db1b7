"""The gallery of a running Freshet: features.v1 read to its end, and what a person's newest profile says."""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

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
from streams.kafka.reader import groupless, partitions_of, read_to_end
from streams.kafka.records import partition_of
from streams.kafka.security import wait_for_authenticated_broker
from streams.ranking.shared_state import catalogue_record_of

INTERESTS = 8  # newest likes and whole watches that speak for a person; a guess


def read_gallery(settings: Settings, report: Callable[[str], None]) -> VideoLibrary:
    """All embedded videos with vectors of the present version, as an index holds them; OperatorError where none is."""
    fusion, found, modalities = fusion_of(settings), read_stored(settings, report), modalities_of(settings)
    if behind := outdated(found, modalities):
        report(behind)
    videos = {video_id: present(video, fusion, modalities) for video_id, video in found.videos.items()}
    return VideoLibrary(videos, found.withdrawn, found.overtaken)


def read_stored(settings: Settings, report: Callable[[str], None]) -> VideoLibrary:
    """All described videos with the vectors of any version that features.v1 holds; OperatorError where none is."""
    wait_for_authenticated_broker(settings, report)
    gallery = asyncio.run(gallery_now(settings))
    if not gallery.videos:
        topic = FEATURES.full(settings.prefix)
        raise OperatorError(f"{topic} holds no video.", "`freshet worker encoder` describes what is uploaded.")
    return gallery


async def gallery_now(settings: Settings) -> VideoLibrary:
    """All videos that are described or withdrawn by now, as features.v1 stores them."""
    topic, gallery = FEATURES.full(settings.prefix), VideoLibrary()
    with groupless(settings) as consumer:
        partitions = await partitions_of(consumer, topic)
    async for records in read_to_end(settings, topic, partitions):
        read = (catalogue_record_of(record) for record in records if record.value)
        gallery.take(one for one in read if one is not None)
    return gallery


def present(video: Encoded, fusion: Fusion, modalities: ModalitySet) -> Encoded:
    """The video with vectors of the present models alone, and the retrieval vector that this fusion makes of them."""
    made, version = with_fusion_version(video, fusion, modalities), version_of(fusion.version)
    kept = {
        name: vector
        for name, vector in made.vectors.items()
        if (vector.encoder == version if name == RETRIEVAL else modalities.is_current(name, vector.encoder))
    }
    return made if kept == made.vectors else replace(made, vectors=kept)


def outdated(gallery: VideoLibrary, modalities: ModalitySet) -> str:
    """A sentence about the videos that other models described, and what to do; empty where there is none."""
    behind = sum(
        any(modalities.is_outdated(name, of.encoder) for name, of in video.vectors.items())
        for video in gallery.videos.values()
    )
    said = f"{behind} of {len(gallery.videos)} videos have vectors of other models, which are left out"
    return f"{said}: run `freshet backfill` on their uploads." if behind else ""


def text_vector(settings: Settings, words: str) -> Any:
    """float32 [384] of some words; OperatorError where they say nothing."""
    vector = TextEncoder(folder_of(settings.cache_dir), provider="cpu").encode([words])[0]
    if not vector.any():
        raise OperatorError("There is no word in what was asked for.", "Report what the video should be about.")
    return vector


def wish_of(settings: Settings, gallery: VideoLibrary, user_id: str, theme: str | None) -> Wish:
    """What a person's newest profile asks for, at the time of its newest event; somebody unknown has no interests."""
    profile = asyncio.run(_profile(settings, user_id))
    liked = [] if profile is None else [*profile.likes, *(mark for mark in profile.watches if mark.weight >= POSITIVE)]
    newest = sorted(liked, key=lambda mark: (-mark.at_ms, mark.video_id))
    videos, column = gallery.column(RETRIEVAL)
    place_of = {video.video_id: place for place, video in enumerate(videos)}
    places = [place_of[mark.video_id] for mark in newest if mark.video_id in place_of][:INTERESTS]
    if not places and theme is None:
        raise OperatorError(f"Nothing is known of what {user_id!r} likes.", "Give a --theme.")
    now_ms = 0 if profile is None else profile.newest_ms
    limited = {video_id for video_id, video in gallery.videos.items() if restricted_until_ms(video) > now_ms}
    seen = frozenset() if profile is None else frozenset(seen_codes(profile))
    exclude = limited.union(video_id for video_id in gallery.videos if video_code(video_id) in seen)
    return Wish(column[places], None if theme is None else text_vector(settings, theme), frozenset(exclude))


async def _profile(settings: Settings, user_id: str) -> Profile | None:
    topic, key = PROFILES.full(settings.prefix), user_id.encode()
    with groupless(settings) as consumer:
        count = len(await partitions_of(consumer, topic))
    newest: Profile | None = None
    async for records in read_to_end(settings, topic, [partition_of(key, count)] if count else []):
        for record in records:
            if record.key == key:
                newest = unpack(record.value) if record.value else None
    return newest
