"""What the catalogue answers: videos, similar ones, search, trends, playlists; and what is known of a person."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from ranker.profile.model import Profile
from ranker.retrieval.index import SearchFilter
from schemas.messages.plain_text import language_code
from streams.api.answers import answers, json_response, problems, ref, takes
from streams.api.catalogue import answers as catalogue_answers
from streams.api.catalogue.answers import FUSED
from streams.api.catalogue.messages import LookupRequest, PlaylistAnswer, VideosAnswer
from streams.api.catalogue.people import known_profile, not_erased, readable
from streams.api.catalogue.query_encoder import NoWordError
from streams.api.catalogue.state import CatalogueState
from streams.api.clock import now_ms
from streams.api.errors import ProblemError
from streams.api.ids import UserId, VideoId
from streams.api.services import Opened, Services
from streams.operations.explain import as_dict, trace_for

T = TypeVar("T")

router = APIRouter(tags=["catalogue"])

MAX_K = 200
MAX_LOOKUP = 200
WORDS = 1_000  # characters

K = Annotated[int, Query(ge=1, le=MAX_K, description="how many videos")]
Words = Annotated[str, Query(min_length=1, max_length=WORDS, examples=["young pets outdoors"])]
Theme = Annotated[str | None, Query(min_length=1, max_length=WORDS, description="what it should be about, in words")]
By = Annotated[
    str,
    Query(
        max_length=100,
        description="what is compared: text, image, audio, image_text, audio_text, or all together: fused",
    ),
]
Languages = Annotated[list[str] | None, Query(max_length=20, description="only of this language; may be repeated")]
Categories = Annotated[list[str] | None, Query(max_length=20, description="only of this category; may be repeated")]


def _where(language: Languages = None, category: Categories = None) -> SearchFilter:
    codes = tuple(filter(None, map(language_code, language or ())))
    return SearchFilter(languages=codes, categories=tuple(category or ()))


Where = Annotated[SearchFilter, Depends(_where)]
EXPLANATION = {
    "type": "object",
    "required": ["video_id", "summary", "sources", "item", "score"],
    "description": "as `freshet explain --json` prints it",
}


@router.get(
    "/v1/search",
    summary="Videos whose text means what the words mean, or in which that is seen or heard",
    response_class=Response,
    responses=answers(ref("FoundVideos")) | problems(422, 503),
)
async def search(services: Opened, q: Words, where: Where, k: K = 10) -> Response:
    """Best first; what moderation limits is left out. A query without a word finds nothing, and a `note` says why."""
    try:
        vector, now = await services.query_encoder.vector(q), now_ms()
    except NoWordError as error:
        note = error.detail
        return await _answer(services, lambda state: catalogue_answers.listed(state, (), note))
    return await _answer(services, lambda state: catalogue_answers.near(state, vector, k, where, now))


@router.get(
    "/v1/trending",
    summary="What most people turn to at present",
    response_class=Response,
    responses=answers(ref("TrendingVideos")) | problems(422, 503),
)
async def trending(services: Opened, k: K = 10) -> Response:
    """The 64 of which most people watched a good part lately at most; older ones count less."""
    now = now_ms()
    return await _answer(services, lambda state: catalogue_answers.trending(state, k, now))


@router.post(
    "/v1/videos/lookup",
    summary="Several videos at once",
    response_class=Response,
    responses=answers(ref("VideosAnswer")) | problems(422, 503),
    openapi_extra=takes(ref("LookupRequest"), {"two": {"video_ids": ["v7", "v8"]}}),
)
async def lookup(request: Request, services: Opened) -> Response:
    """Up to 200; an id that nothing is known of is left out."""
    asked, now = _lookup_of(await request.body()), now_ms()

    def found(state: CatalogueState) -> VideosAnswer:
        limited = state.limited(now)
        known = {one: catalogue_answers.video(state, one, limited) for one in asked}
        return VideosAnswer({video_id: one for video_id, one in known.items() if one is not None})

    return await _answer(services, found)


@router.get(
    "/v1/videos/{video_id:path}/similar",
    summary="Videos that are similar to one",
    response_class=Response,
    responses=answers(ref("FoundVideos")) | problems(404, 409, 422, 503),
)
async def similar(video_id: VideoId, services: Opened, where: Where, k: K = 10, by: By = FUSED) -> Response:
    """In text, picture, sound or all together; 409 where the video has no such vector."""
    now = now_ms()
    return await _answer(services, lambda state: catalogue_answers.similar(state, video_id, by, k, where, now))


@router.get(
    "/v1/videos/{video_id:path}/playlist",
    summary="A sequence that goes on from a video",
    response_class=Response,
    responses=answers(ref("PlaylistAnswer")) | problems(404, 409, 422, 503),
)
async def playlist_from(video_id: VideoId, services: Opened, where: Where, k: K = 10) -> Response:
    """Near the video, and each near the one before."""
    now = now_ms()
    return await _answer(services, lambda state: catalogue_answers.playlist_from(state, video_id, k, where, now))


@router.get(
    "/v1/videos/{video_id:path}",
    summary="What is known of a video",
    response_class=Response,
    responses=answers(ref("VideoAnswer")) | problems(404, 422, 503),
)
async def video(video_id: VideoId, services: Opened) -> Response:
    """Also of one that is limited or withdrawn, which `state` says."""
    now = now_ms()
    found = await _asked(services, lambda state: catalogue_answers.video(state, video_id, state.limited(now)))
    if found is None:
        raise catalogue_answers.unknown_video(video_id)
    return json_response(found)


@router.get(
    "/v1/users/{user_id:path}/playlist",
    summary="A sequence for a person",
    response_class=Response,
    responses=answers(ref("PlaylistAnswer")) | problems(404, 422, 503),
)
async def playlist_for(user_id: UserId, services: Opened, where: Where, theme: Theme = None, k: K = 10) -> Response:
    """By what they like or by a theme or both, as `freshet playlist` has it."""
    vector = None if theme is None else await services.query_encoder.vector(theme)
    profile = await services.profiles.newest(user_id)

    def made(state: CatalogueState) -> PlaylistAnswer:
        known = not_erased(state, user_id, profile)
        return catalogue_answers.playlist_for(state, known, vector, k, where)

    return await _answer(services, made)


@router.get(
    "/v1/users/{user_id:path}/explain/{video_id:path}",
    summary="Why a video is on a person's slate, or why not",
    response_class=Response,
    responses=answers(EXPLANATION) | problems(404, 422, 503),
)
async def explain(user_id: UserId, video_id: VideoId, services: Opened) -> Response:
    """What each stage makes of the video, by the person's newest profile and the shared state as it is now."""
    profile = await services.profiles.newest(user_id)

    async def explained(state: CatalogueState) -> dict[str, object]:
        known = known_profile(state, user_id, profile)
        return as_dict(await trace_for(state.feed, user_id, known, state.settings.seed, video_id))

    return json_response(await services.catalogue.ask(explained))


@router.get(
    "/v1/users/{user_id:path}/profile",
    summary="What is known of a person",
    response_class=Response,
    responses=answers(ref("ProfileAnswer")) | problems(404, 422, 503),
)
async def profile(user_id: UserId, services: Opened) -> Response:
    """What they did lately, newest first, and what is counted."""
    found: Profile | None = await services.profiles.newest(user_id)
    return await _answer(services, lambda state: readable(state, user_id, known_profile(state, user_id, found)))


async def _answer(services: Services, question: Callable[[CatalogueState], object]) -> Response:
    return json_response(await _asked(services, question))


def _asked(services: Services, question: Callable[[CatalogueState], T]) -> Awaitable[T]:
    async def answered(state: CatalogueState) -> T:
        return question(state)

    return services.catalogue.ask(answered)


def _lookup_of(body: bytes) -> list[str]:
    try:
        asked = msgspec.json.decode(body, type=LookupRequest).video_ids
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(422, f"The body is no lookup: {error}.") from None
    if len(asked) > MAX_LOOKUP:
        raise ProblemError(422, f"{len(asked)} videos are asked for; {MAX_LOOKUP} are the most.")
    return asked
