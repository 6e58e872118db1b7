"""A clip without a title, in which a clock is drawn: words find it by what it shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.base import TextModelName
from encoders.modalities.modality import ModalitySet
from ranker.library.by_words import near_words
from ranker.library.library import VideoLibrary
from schemas.messages.videos import Upload
from schemas.settings.model import Settings
from streams.demo.screen import Check
from streams.operations.snapshot import text_vectors

VIDEO, FILE = "clip-untitled", "untitled.mp4"
SECONDS, RATE, SIDE = 2, 5, 224
WORDS = {
    "en": "a clock on the wall",
    "de": "eine Uhr an der Wand",
    "es": "un reloj en la pared",
    "ru": "часы на стене",
    "zh": "墙上的时钟",
}
ENGLISH_ALONE: tuple[TextModelName, ...] = ("minilm",)

Picture = NDArray[np.uint8]


class Found(NamedTuple):
    """What a search for some words found first, and by which of its vectors."""

    video_id: str
    by: str


def put_untitled(folder: Path, at_ms: int) -> Upload:
    """Write the clip into the media folder; its upload says nothing but where it is."""
    import av  # heavy, and needed for clips alone

    folder.mkdir(parents=True, exist_ok=True)
    with av.open(str(folder / FILE), "w") as file:
        pictures = file.add_stream("libx264", rate=RATE)
        pictures.width = pictures.height = SIDE
        pictures.pix_fmt, pictures.codec_context.gop_size = "yuv420p", RATE
        for picture in clock():
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(pictures.encode(None))
    return Upload(video_id=VIDEO, at_ms=at_ms, media_uri=FILE)


def clock() -> Iterator[Picture]:
    """The frames: a round face with twelve marks, a short hand, and a long one that moves."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    away = np.hypot(rows, columns)
    face = np.full((SIDE, SIDE, 3), (150, 120, 90), np.uint8)
    face[away < 0.42] = (40, 30, 30)
    face[away < 0.38] = (245, 245, 240)
    for hour in range(12):
        x, y = 0.32 * np.sin(np.pi * hour / 6), -0.32 * np.cos(np.pi * hour / 6)
        face[np.hypot(columns - x, rows - y) < (0.013 if hour % 3 else 0.022)] = (20, 20, 20)
    for minute in range(10, 10 + SECONDS * RATE):
        picture = face.copy()
        for turn, length, width in ((minute / 60, 0.27, 0.010), (10 / 12 + minute / 720, 0.18, 0.016)):
            x, y = np.sin(2 * np.pi * turn), -np.cos(2 * np.pi * turn)
            along, aside = columns * x + rows * y, columns * y - rows * x
            picture[(along > -0.03) & (along < length) & (np.abs(aside) < width)] = (20, 20, 20)
        yield picture


def search_for_it(settings: Settings, library: VideoLibrary, modalities: ModalitySet) -> dict[str, Found]:
    """What is found first by words for a clock, in the languages that the text model understands."""
    queries, found = [WORDS["en"]] if settings.text_model in ENGLISH_ALONE else [*WORDS.values()], {}
    for words, vector in zip(queries, text_vectors(settings, queries), strict=True):
        first = near_words(library, vector, modalities.met_by_words, 1)[0]
        found[words] = Found(first.video.video_id, first.by)
    return found


def check_of(found: dict[str, Found]) -> Check:
    """Whether all words find the clip, by its pictures."""
    hits = sum(one.video_id == VIDEO for one in found.values())
    told = f"{hits} of {len(found)} languages, as “{next(iter(found))}”"
    return Check("words find an untitled clip", hits == len(found), told)
