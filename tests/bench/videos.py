"""encode.videos: videos a second of the encoders on one thread, beside one call for each text, frame and patch."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from encoders.base import Content, Vectors, unit_rows
from encoders.describe import Describer, text_of_upload
from encoders.manifest import folder_of
from encoders.reader import MediaReader
from ranker.simulate import catalogue
from schemas.videos import Upload
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Goal, Result
from tests.clips import clip

NAME = "encode.videos"
AT_ONCE = 8  # videos in a batch
LEAST = 0.99  # cosine to the plain path
GFLOP = {"text": 0.63, "image": 6.2, "audio": 8.8}  # a video: 29 tokens, 8 frames, 3 patches of 3 s

Videos = list[tuple[Upload, Content | None]]


def encode(ground: Ground) -> list[Result]:
    """8 frames and 3 patches of a 10 s clip (720 x 1280, H.264 and AAC), each video with noise of its own."""
    count = ground.size(32, 8)
    describer = Describer.load(folder_of(ground.settings().cache_dir), provider="cpu", threads=1)
    videos = made(count)
    describer.look(videos[:2])
    parts = {
        "text": lambda some: describer.text.encode([text_of_upload(upload) for upload, _ in some]),
        "image": lambda some: describer.image.encode([content and content.frames for _, content in some]),
        "audio": lambda some: describer.audio.encode([content and content.sound for _, content in some]),
    }
    note = f"without decoding, batches of {AT_ONCE}, by the CPU time of one thread"
    per_s = {name: rate(part, videos, AT_ONCE) for name, part in parts.items()}
    together = rate(lambda some: describer.describe(some), videos, AT_ONCE)
    plain = rate(lambda some: [one_by_one(describer, one) for one in some], videos, AT_ONCE)
    alike = least_cosine(describer, videos[:AT_ONCE])
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
        Result(NAME, plain, "videos/s", "one call each, fp32", note=note),
    ]


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


def one_by_one(describer: Describer, video: tuple[Upload, Content | None]) -> dict[str, Vectors]:
    """One video with a call for its text, for each frame and for each 3 s of sound: the plain way."""
    upload, content = video
    if content is None or content.frames is None or content.sound is None:
        raise ValueError("one_by_one: the video needs pictures and sound")
    frames = [describer.image.encode([frame[None]])[0] for frame in content.frames]
    patches = [describer.audio.encode([content.sound[at : at + 48_000]])[0] for at in (2_667, 56_000, 109_333)]
    return {
        "text": describer.text.encode([text_of_upload(upload)]),
        "image": unit_rows(np.mean(frames, axis=0)[None]),
        "audio": unit_rows(np.mean(patches, axis=0)[None]),
    }


def rate(work: Callable[[Videos], object], videos: Videos, at_once: int) -> float:
    """Videos a second of CPU."""
    began_s = time.process_time()
    for start in range(0, len(videos), at_once):
        work(videos[start : start + at_once])
    return len(videos) / (time.process_time() - began_s)


def least_cosine(describer: Describer, videos: Videos) -> float:
    """The least cosine of any modality's vector to the plain way's."""
    found = describer.look(videos).vectors
    plain = [one_by_one(describer, one) for one in videos]
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
