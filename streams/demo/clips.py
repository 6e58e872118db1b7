"""The demo's clips: real ones from a given folder, or generated ones; what the encoders find in them is shown."""

import re
import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from encoders.fusion.embeddings import RETRIEVAL
from encoders.modalities.configured import modalities_of
from ranker.library.library import Hit, VideoLibrary
from schemas.messages.videos import Encoded, Upload
from streams.demo.latency import Now
from streams.demo.log import lines_of
from streams.demo.stage import Stage
from streams.demo.untitled import Found, put_untitled, search_for_it
from streams.logs.jsonl import Line
from streams.operations.snapshot import read_library, text_vector

ENDINGS = frozenset((".mp4", ".mkv", ".webm", ".mov", ".ogg", ".opus", ".mp3", ".flac", ".wav", ".jpg", ".png"))
MAX_CLIPS = 24  # of a folder
SECONDS, RATE, SIDE, SOUND_RATE = 3, 10, 192, 44_100  # of a generated clip
MADE = {  # title: background colour, hertz
    "A red square wanders over green, with a low hum": ((40, 160, 60), 110),
    "A red square wanders over blue, with a middle tone": ((40, 60, 190), 440),
    "A red square wanders over yellow, with a high whistle": ((210, 200, 40), 1760),
}


class Clip(NamedTuple):
    """One clip of the demo: its file below the media folder, and its title."""

    file: str
    title: str


def put_clips(source: Path | None, folder: Path) -> list[Clip]:
    """Fill the media folder: with the clips of another one, whose names become titles, or with generated ones."""
    folder.mkdir(parents=True, exist_ok=True)
    if source is None:
        return list(_generated(folder))
    found = sorted(file for file in source.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
    clips = []
    for number, file in enumerate(islice(found, MAX_CLIPS), start=1):
        name = f"{number:02}{file.suffix.lower()}"
        shutil.copyfile(file, folder / name)
        clips.append(Clip(name, titled(file)))
    return clips


def titled(file: Path) -> str:
    """A title for a file: the first line of a .txt beside it, or its own name in words.

    >>> titled(Path("moviepy__big_buck_bunny_0_30.webm"))
    'big buck bunny'
    """
    note = file.with_suffix(".txt")
    if note.is_file():
        first = note.read_text("utf-8", "replace").partition("\n")[0]
        return re.split(r"\s+is (?:licensed|in the)|\.wav|\s+/\s+(?=Read by)", first)[0].strip()
    words = re.sub(r"[\W_]+", " ", file.stem.partition("__")[2] or file.stem)
    return " ".join(word for word in words.split() if not word.isdigit())


def _generated(folder: Path) -> Iterator[Clip]:
    import av  # heavy, and needed only where no folder of clips is given

    for number, (title, (background, hertz)) in enumerate(MADE.items(), start=1):
        name = f"{number:02}.mp4"
        with av.open(str(folder / name), "w") as file:
            pictures, tones = file.add_stream("libx264", rate=RATE), file.add_stream("aac", rate=SOUND_RATE)
            pictures.width = pictures.height = SIDE
            pictures.pix_fmt, pictures.codec_context.gop_size = "yuv420p", RATE // 2
            for at in range(SECONDS * RATE):
                picture = np.full((SIDE, SIDE, 3), background, np.uint8)
                left = at * (SIDE - 48) // (SECONDS * RATE)
                picture[72:120, left : left + 48] = (200, 30, 30)
                file.mux(pictures.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            file.mux(pictures.encode(None))
            wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(SECONDS * SOUND_RATE) / SOUND_RATE)
            for start in range(0, len(wave) - 1023, 1024):
                frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024].astype(np.float32), "fltp", "mono")
                frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
                file.mux(tones.encode(frame))
            file.mux(tones.encode(None))
        yield Clip(name, title)


class ClipFindings(NamedTuple):
    """What the encoders found in the clips, for scripts and tests."""

    tags: dict[str, list[str]]  # by title
    similar: dict[str, dict[str, str]]  # by title and by what is compared: the title of the nearest
    searches: dict[str, str]  # by words: the title of the first hit
    untitled: dict[str, Found]  # by words for what the clip without a title shows

    def as_json(self) -> dict[str, object]:
        """The same for scripts."""
        return self._asdict() | {"untitled": {words: found._asdict() for words, found in self.untitled.items()}}


def show_clips(stage: Stage, clips: Sequence[Clip], now: Now) -> ClipFindings:
    """Upload the clips with their titles and one without, wait until they are embedded, and query them."""
    stage.screen.chapter(f"Pictures and sound: {len(clips) + 1} clips are uploaded, decoded and encoded")
    uploads = [
        Upload(video_id=f"clip-{number:02}", at_ms=now(), title=clip.title, media_uri=clip.file)
        for number, clip in enumerate(clips, start=1)
    ]
    untitled = put_untitled(Path(stage.settings.media_root), now())
    stage.publish(usable([*uploads, untitled]), "clips", len(uploads) + 1)
    ids = {upload.video_id for upload in (*uploads, untitled)}
    stage.wait("the encoder to embed clips", lambda: len(ids & stage.outputs.embedded.keys()), len(ids))
    everything = read_library(stage.settings, stage.screen.report)
    library = VideoLibrary({video_id: everything.videos[video_id] for video_id in sorted(ids)})
    findings = ClipFindings(
        {_name(video): video.tags for video in library.videos.values()},
        {_name(video): nearest(library, video) for video in library.videos.values()},
        {words: _first(everything.near(text_vector(stage.settings, words), "text", 1)) for words in queries(uploads)},
        search_for_it(stage.settings, everything, modalities_of(stage.settings)),
    )
    for video in library.videos.values():
        labels = ", ".join(f"{label} {share:.2f}" for label, share in video.labels.items()) or "no label"
        has = ", ".join(sorted(video.vectors.keys() - {RETRIEVAL}))
        stage.screen.report(f"  {_name(video)}\n    vectors: {has}; {labels}")
        for by, title in findings.similar[_name(video)].items():
            stage.screen.report(f"    nearest by {by}: {title}")
    for words, title in findings.searches.items():
        stage.screen.report(f"  searching for “{words}” finds: {title}")
    for words, found in findings.untitled.items():
        stage.screen.report(f"  searching for “{words}” finds: {found.video_id}, which has no title, by {found.by}")
    return findings


def nearest(library: VideoLibrary, video: Encoded) -> dict[str, str]:
    """The title of the nearest clip by text, by picture, by sound and by all together, as far as there are vectors."""
    found = {name: library.similar(video.video_id, name, 1) for name in sorted(video.vectors)}
    return {name.replace(RETRIEVAL, "all"): _first(hits) for name, hits in found.items() if hits}


def queries(uploads: Sequence[Upload]) -> list[str]:
    """The last two words of a few titles, which a text search should find them by."""
    return [" ".join((upload.title or "").split()[-2:]) for upload in uploads[:3]]


def usable(uploads: Sequence[Upload]) -> list[Line]:
    """Uploads as lines of a log."""
    return [line for line in lines_of(uploads) if isinstance(line, Line)]


def _name(video: Encoded) -> str:
    return video.title or video.video_id


def _first(hits: Sequence[Hit]) -> str:
    return _name(hits[0].video) if hits else "nothing"
