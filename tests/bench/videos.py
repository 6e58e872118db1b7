"""encode.videos: videos a second of the encoders on one thread, beside one call for each text, frame and patch."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from encoders.base import Content, Vectors, unit_rows
from encoders.embedder import VideoEmbedder, content_of
from encoders.media.sandbox_client import MediaReader
from encoders.modalities import audio, image
from encoders.modalities.audio import WHOLE, patches_of
from encoders.modalities.image import FILES
from encoders.modalities.modality import Modality
from encoders.models.manifest import folder_of
from encoders.models.session import open_model
from ranker.simulation.world import catalogue
from schemas.messages.videos import Upload
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Goal, Result
from tests.support.clips import clip

NAME = "encode.videos"
AT_ONCE = 8  # videos in a batch
LEAST = 0.99  # cosine to the plain path
GFLOP = {"text": 0.63, "image": 6.2, "audio": 1.1}  # a video: 29 tokens, 8 frames, 3 patches of 3 s; 8.8 unpruned

Videos = list[tuple[Upload, Content | None]]
Work = Callable[[Videos], object]


def encode(ground: Ground) -> list[Result]:
    """8 frames and 3 patches of a 10 s clip (720 x 1280, H.264 and AAC), each video with noise of its own."""
    count = ground.size(32, 8)
    folder = folder_of(ground.settings().cache_dir)
    embedder = VideoEmbedder.of(ground.settings().model_copy(update={"provider": "cpu"}))
    videos = made(count)
    embedder.encode([content_of(*one) for one in videos[:2]])
    parts = {one.name: partly(embedder, one) for one in embedder.modalities}
    note = f"without decoding, batches of {AT_ONCE}, by the CPU time of one thread"
    per_s = {name: rate(part, videos, AT_ONCE) for name, part in parts.items()}
    one_by_one = OneByOne(embedder, folder)
    one_by_one(videos[0])
    together, plain = by_turns(embedder.embed, lambda some: [one_by_one(one) for one in some], videos, AT_ONCE)
    alike = least_cosine(embedder, one_by_one, videos[:AT_ONCE])
    peak = sgemm()
    share = sum(GFLOP.values()) * together / peak
    goals = (
        Goal(f"≥ 2 × one by one ({together / plain:.2f}) at cosine ≥ {LEAST} ({alike:.4f})", together >= 2 * plain),
        Goal("≥ 8 videos/s per core", together >= 8),
    )
    more = {"share of sgemm's peak": share, "sgemm GFLOP/s": peak, "least cosine": alike}
    return [
        *(Result(NAME, value, "videos/s", name, note=note) for name, value in per_s.items()),
        Result(NAME, together, "videos/s", "together, fused and judged", more=more, goals=goals, note=note),
        Result(NAME, plain, "videos/s", "one call each, models as published", note=note),
    ]


def partly(embedder: VideoEmbedder, modality: Modality[Any]) -> Work:
    """The work of one modality's encoder alone."""
    encoder = embedder.encoders[modality.name]
    return lambda some: encoder.encode([modality.read(content_of(*one)) for one in some])


def made(count: int) -> Videos:
    """So many videos: one clip's frames and sound, each with other noise in them."""
    with MediaReader() as reader:
        media = reader.read(clip(seconds=10, size=(720, 1280), rate=30, key_every=30))
    if media.frames is None or media.sound is None:
        raise RuntimeError("the clip has lost its pictures or its sound")
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 40, media.frames.shape, np.uint8) for _ in range(count)]
    hiss = [rng.normal(0, 0.05, len(media.sound)).astype(np.float32) for _ in range(count)]
    return [
        (upload, Content(frames=np.minimum(media.frames, 215) + one, sound=media.sound + other))
        for upload, one, other in zip(catalogue(0, count, START_MS), noise, hiss, strict=True)
    ]


class OneByOne:
    """The plain way: a call for each text, frame and patch of sound, to the models as their authors published them."""

    def __init__(self, embedder: VideoEmbedder, folder: Path) -> None:
        self._text = embedder.encoders["text"]
        self._image = open_model(folder / FILES["fp32"], provider="cpu", inputs=image.INPUTS, outputs=image.OUTPUTS)
        self._audio = open_model(folder / WHOLE, provider="cpu", inputs=audio.INPUTS, outputs=audio.OUTPUTS)

    def __call__(self, video: tuple[Upload, Content | None]) -> dict[str, Vectors]:
        upload, content = video
        if content is None or content.frames is None:
            raise ValueError("OneByOne: the video needs pictures and sound")
        frames = [self._image(frame[None])[0][0] for frame in content.frames]
        patches = [self._audio(patch[None])[0][0] for patch in patches_of(content.sound)]
        return {
            "text": self._text.encode([content_of(upload).text]),
            "image": unit_rows(np.mean(frames, axis=0)[None]),
            "audio": unit_rows(np.mean(patches, axis=0)[None]),
        }


def rate(work: Work, videos: Videos, at_once: int) -> float:
    """Videos a second of CPU."""
    return len(videos) / sum(spent(work, videos[start : start + at_once]) for start in range(0, len(videos), at_once))


def by_turns(one: Work, other: Work, videos: Videos, at_once: int) -> tuple[float, float]:
    """Videos a second of CPU of two ways, batch by batch by turns, so that what else runs slows both."""
    batches = [videos[start : start + at_once] for start in range(0, len(videos), at_once)]
    took = [(spent(one, batch), spent(other, batch)) for batch in batches]
    first, second = map(sum, zip(*took, strict=True))
    return len(videos) / first, len(videos) / second


def spent(work: Work, videos: Videos) -> float:
    """Seconds of CPU."""
    began_s = time.process_time()
    work(videos)
    return time.process_time() - began_s


def least_cosine(embedder: VideoEmbedder, one_by_one: OneByOne, videos: Videos) -> float:
    """The least cosine of any modality's vector to the plain way's."""
    found = embedder.encode([content_of(*one) for one in videos]).vectors
    plain = [one_by_one(one) for one in videos]
    return min(float((found[name][row] * one[name][0]).sum()) for row, one in enumerate(plain) for name in GFLOP)


def sgemm(sizes: Sequence[int] = (256, 384, 1536)) -> float:
    """GFLOP/s of a product of matrices on one thread, best of twenty."""
    m, k, n = sizes
    rng = np.random.default_rng(0)
    left, right = rng.random((m, k), np.float32), rng.random((k, n), np.float32)
    best = float("inf")
    for _ in range(20):
        began_s = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - began_s)
    return 2 * m * k * n / best / 1e9
