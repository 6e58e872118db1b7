"""Questions about the catalogue: search by words, similar videos, re-uploads, a playlist for a person.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import Json, configured, echo_err, say, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranker.library.library import Hit
    from ranker.retrieval.index import SearchFilter
    from schemas.messages.videos import Encoded
    from schemas.settings.model import Settings

FUSED = "fused"  # what `--by` calls the retrieval vector
By = Annotated[
    str,
    typer.Option(
        "--by", help="What to compare: text, image, audio, another modality, image_text, audio_text or fused."
    ),
]
Many = Annotated[int, typer.Option("--many", "-k", min=1, max=1000, help="How many videos.")]
Language = Annotated[list[str] | None, typer.Option("--language", help="Only of this language; may be repeated.")]
Category = Annotated[list[str] | None, typer.Option("--category", help="Only of this category; may be repeated.")]


@configured
def search(
    settings: "Settings",
    words: Annotated[str, typer.Argument(help="What to look for, in words.")],
    many: Many = 10,
    language: Language = None,
    category: Category = None,
    as_json: Json = False,
) -> None:
    """Find videos whose text means what the words mean, or in which that is seen or heard."""
    from streams.operations import search as operation

    show(operation.search(settings, words, many, where(language, category), echo_err), as_json)


@configured
def similar(
    settings: "Settings",
    video_id: Annotated[str, typer.Argument(help="The video to start from.")],
    by: By = FUSED,
    many: Many = 10,
    language: Language = None,
    category: Category = None,
    as_json: Json = False,
) -> None:
    """Find videos that are similar to one of them in text, picture, sound or all together."""
    from streams.operations import search as operation

    show(
        operation.similar(settings, video_id, vector_name(settings, by), many, where(language, category), echo_err),
        as_json,
    )


@configured
def reuploads(settings: "Settings", as_json: Json = False) -> None:
    """List videos that were uploaded more than once: the same pictures, the same sound, the same length."""
    from encoders.modalities.configured import modalities_of
    from ranker.library.duplicates import groups
    from ranker.library.duplicates import reuploads as duplicates_in
    from streams.operations.snapshot import read_stored_library

    pairs = duplicates_in(read_stored_library(settings, echo_err), modalities_of(settings).same)
    for group in groups(pairs):
        ids = {video.video_id for video in group}
        alike = [
            {"first": pair.first.video_id, "second": pair.second.video_id, "alike": pair.alike}
            for pair in pairs
            if pair.first.video_id in ids
        ]
        if as_json:
            write_json({"videos": [as_dict(video) for video in group], "pairs": alike})
        else:
            say(" = ".join(f"{video.video_id} ({video.title or 'no title'})" for video in group))
    echo_err(f"{len(pairs)} pairs")


@configured
def review(settings: "Settings", as_json: Json = False) -> None:
    """List what the safety gate limited, until when, or dropped, with the reasons, for a person to review."""
    from encoders.moderation.policy import KIND, LIMITED
    from ranker.catalogue.entry import FOR_GOOD, restricted_until_ms
    from streams.cli.forget import moment
    from streams.operations.snapshot import read_stored_library

    library = read_stored_library(settings, echo_err)
    now_ms = time.time() * 1000
    until_ms = {video_id: until for video_id, video in library.videos.items() if (until := restricted_until_ms(video))}
    limited = [library.videos[video_id] for video_id, until in until_ms.items() if until > now_ms]
    dropped = [one for one in library.withdrawn.values() if (one.reason or "").startswith(KIND)]
    for video in limited:
        scores = {label: share for label, share in video.labels.items() if label.startswith(KIND) and label != LIMITED}
        until = until_ms[video.video_id]
        if as_json:
            expiry = {} if until == FOR_GOOD else {"until_ms": until}
            write_json({"video_id": video.video_id, "verdict": "limit", "labels": scores} | expiry)
        else:
            figures = ", ".join(f"{label} {share:.2f}" for label, share in scores.items())
            print_line(video, f"limit  {figures}" + ("" if until == FOR_GOOD else f"  until {moment(until)}"))
    for one in dropped:
        if as_json:
            write_json({"video_id": one.video_id, "verdict": "drop", "reason": one.reason})
        else:
            say(f"drop   {one.reason}  {one.video_id}")
    echo_err(f"{len(limited)} limited, {len(until_ms) - len(limited)} no longer limited, {len(dropped)} dropped")


@configured
def playlist(
    settings: "Settings",
    user_id: Annotated[str, typer.Argument(help="For whom.")],
    theme: Annotated[str | None, typer.Option("--theme", help="What it should be about, in words.")] = None,
    many: Many = 10,
    language: Language = None,
    category: Category = None,
    as_json: Json = False,
) -> None:
    """Put videos into a sequence for a person, each leading to the next."""
    from ranker.library import playlist as playlists
    from streams.operations.snapshot import read_library, wish_of

    library = read_library(settings, echo_err)
    wish = wish_of(settings, library, user_id, theme)
    for step in playlists.playlist(library, wish, many, where(language, category)):
        scores = {"theme": step.theme, "interest": step.interest, "follows": step.follows}
        if as_json:
            write_json(as_dict(step.video) | scores)
        else:
            print_line(step.video, ", ".join(f"{name} {value:.2f}" for name, value in scores.items()))


def vector_name(settings: "Settings", by: str) -> str:
    """The name of the vectors that `--by` chooses; a BadParameter lists what there is."""
    from encoders.fusion.embeddings import RETRIEVAL
    from encoders.modalities.configured import modalities_of

    names = [*modalities_of(settings).stored, FUSED]
    if by not in names:
        raise typer.BadParameter(f"{by!r} is not one of {', '.join(map(repr, names))}.", param_hint="'--by'")
    return RETRIEVAL if by == FUSED else by


def where(languages: "Sequence[str] | None", categories: "Sequence[str] | None") -> "SearchFilter":
    """The options as a filter."""
    from ranker.retrieval.index import SearchFilter
    from schemas.messages.plain_text import language_code

    codes = tuple(filter(None, map(language_code, languages or ())))
    return SearchFilter(languages=codes, categories=tuple(categories or ()))


def show(hits: "Sequence[Hit]", as_json: bool) -> None:
    """Hits as lines, best first, or as JSON lines."""
    for hit in hits:
        if as_json:
            write_json(as_dict(hit.video) | {"score": round(hit.score, 4)} | ({"by": hit.by} if hit.by else {}))
        else:
            print_line(hit.video, f"{hit.score:.3f}" + (f" by {hit.by}" if hit.by and not hit.video.title else ""))
    if not hits:
        echo_err("no video was found")


def as_dict(video: "Encoded") -> dict[str, object]:
    """A video for scripts: everything but its vectors."""
    import msgspec

    return {key: value for key, value in msgspec.to_builtins(video).items() if key not in ("vectors", "kind")}


def print_line(video: "Encoded", figures: str) -> None:
    """One line for people: figures, id, title, tags."""
    tags = ", ".join(video.tags)
    say(f"{figures}  {video.video_id:<14} {video.title or '(no title)'}{f'  [{tags}]' if tags else ''}")
