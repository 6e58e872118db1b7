"""What is answered about videos, of one state of the catalogue."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
from msgspec import UNSET, UnsetType

from encoders.base import Vectors
from encoders.fusion.embeddings import RETRIEVAL
from ranker.catalogue.catalogue import Rows
from ranker.library.by_words import near_words
from ranker.library.library import Hit
from ranker.library.playlist import Step, Wish
from ranker.library.playlist import playlist as walk
from ranker.pipeline.filters import unrestricted
from ranker.profile.model import Profile
from ranker.retrieval.index import SearchFilter
from schemas.messages.videos import Encoded
from streams.api.catalogue.messages import (
    FoundVideo,
    FoundVideos,
    PlaylistAnswer,
    PlaylistStep,
    TrendingVideo,
    TrendingVideos,
    VideoAnswer,
)
from streams.api.catalogue.state import CatalogueState
from streams.api.errors import ProblemError
from streams.operations.snapshot import wish_by

FUSED = "fused"  # what `by` calls the retrieval vector
TOPIC = "topic:"
AS_UPLOADED = (
    "title",
    "description",
    "language",
    "category",
    "tags",
    "labels",
    "creator_id",
    "music_id",
    "duration_ms",
    "at_ms",
    "media_uri",
    "thumbnail_uri",
)


def video(state: CatalogueState, video_id: str, limited: Collection[str]) -> VideoAnswer | None:
    """What is known of a video; None where nothing is."""
    if (found := state.library.videos.get(video_id)) is not None:
        return described(found, limited)
    if (gone := state.library.withdrawn.get(video_id)) is not None:
        return VideoAnswer(video_id=video_id, at_ms=gone.at_ms, reason=gone.reason or None, state="withdrawn")
    return None


def required(state: CatalogueState, video_id: str) -> Encoded:
    """A video that may be shown; a ProblemError of 404 where there is none of this id."""
    if (found := state.library.videos.get(video_id)) is None:
        raise unknown_video(video_id)
    return found


def unknown_video(video_id: str) -> ProblemError:
    """The answer where the catalogue has no such video."""
    return ProblemError(404, f"No video {video_id!r} is in the catalogue.")


def described(of: Encoded, limited: Collection[str] = ()) -> VideoAnswer:
    """A video for whoever shows it: everything but its vectors, with the topics of its text."""
    topics = sorted(
        (-share, label.removeprefix(TOPIC)) for label, share in of.labels.items() if label.startswith(TOPIC)
    )
    return VideoAnswer(
        video_id=of.video_id,
        state="limited" if of.video_id in limited else "active",
        topics=[name for _, name in topics],
        modalities=sorted(name for name in of.vectors if name != RETRIEVAL),
        **{name: getattr(of, name) for name in AS_UPLOADED},
    )


def near(state: CatalogueState, vector: Vectors, k: int, where: SearchFilter, now_ms: int) -> FoundVideos:
    """The k videos whose text, or what is seen or heard in them, is nearest to a vector [384] of words."""
    scales = state.modalities.met_by_words
    return listed(state, near_words(state.library, vector, scales, k, _shown(state, where, now_ms)))


def similar(state: CatalogueState, video_id: str, by: str, k: int, where: SearchFilter, now_ms: int) -> FoundVideos:
    """The k videos nearest to one of them; a ProblemError says where it has no such vector."""
    found, name = required(state, video_id), vector_name(state, by)
    try:
        hits = state.library.similar(video_id, name, k, _shown(state, where, now_ms))
    except KeyError:
        has = ", ".join(sorted(FUSED if one == RETRIEVAL else one for one in found.vectors)) or "none"
        raise ProblemError(
            409, f"{video_id!r} has no {by} vector of the present models; it has: {has}. Choose another `by`."
        ) from None
    return listed(state, hits)


def vector_name(state: CatalogueState, by: str) -> str:
    """The name of the vectors that `by` chooses; a ProblemError lists what there is."""
    names = [*state.modalities.stored, FUSED]
    if by not in names:
        raise ProblemError(422, f"query by: {by!r} is not one of {', '.join(map(repr, names))}.")
    return RETRIEVAL if by == FUSED else by


def trending(state: CatalogueState, k: int, now_ms: int) -> TrendingVideos:
    """The k videos that most people watch or like at present, with their share of all such people."""
    catalogue = state.shared.catalogue
    rows = catalogue.tops.trending
    rows = rows[unrestricted(rows, now_ms, (), catalogue)][:k]
    everybody = float(_people(state, np.flatnonzero(catalogue.is_active).astype(np.int32)).sum())
    found = zip((catalogue.ids[row] for row in rows.tolist()), _people(state, rows).tolist(), strict=True)
    titles = state.library.videos
    return TrendingVideos(
        [TrendingVideo(one, titles[one].title, round(count, 3), round(count / everybody, 4)) for one, count in found]
    )


def playlist_for(
    state: CatalogueState, profile: Profile | None, theme: Vectors | None, k: int, where: SearchFilter
) -> PlaylistAnswer:
    """A sequence for a person; a ProblemError where neither they nor a theme ask for anything."""
    wish = wish_by(state.library, profile, theme)
    if wish.is_empty:
        raise ProblemError(404, "Nothing is known of what this person likes: give a theme.")
    return _steps(walk(state.library, wish, k, where))


def playlist_from(state: CatalogueState, video_id: str, k: int, where: SearchFilter, now_ms: int) -> PlaylistAnswer:
    """A sequence that goes on from a video."""
    required(state, video_id)
    here = state.library.place(video_id, RETRIEVAL)
    if here is None:
        raise ProblemError(409, f"{video_id!r} has no {FUSED} vector of the present models.")
    wish = Wish(state.library.column(RETRIEVAL)[1][[here]], exclude=state.limited(now_ms) | {video_id})
    return _steps(walk(state.library, wish, k, where))


def listed(state: CatalogueState, hits: Iterable[Hit], note: str | UnsetType = UNSET) -> FoundVideos:
    """Hits as items."""
    found = [FoundVideo(one.video.video_id, round(one.score, 4), one.video.title, one.by or None) for one in hits]
    return FoundVideos(found, complete=not state.outdated, note=note)


def _steps(steps: Sequence[Step]) -> PlaylistAnswer:
    return PlaylistAnswer([PlaylistStep(described(one.video), one.theme, one.interest, one.follows) for one in steps])


def _people(state: CatalogueState, rows: Rows) -> Vectors:
    """How many people turned to each of the rows lately, older ones counting less."""
    return np.exp2(state.shared.catalogue.trend[rows]) - 1


def _shown(state: CatalogueState, where: SearchFilter, now_ms: int) -> SearchFilter:
    """The filter without what moderation limits."""
    return replace(where, exclude=where.exclude | state.limited(now_ms))
