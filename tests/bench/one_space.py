"""Do words find pictures and sounds that nobody gave a title? `python -m tests.bench.one_space --pictures DIR`.

Files with known content look for the words that describe them in five languages: the shared clips and recordings, and
pictures from the wheels foolbox 3.3.4, scikit-image 0.26.0, scikit-learn 1.9.1, gradio 6.31.0, ultralytics 8.4.190 and
imgaug 0.4.0, which DIR holds unpacked; nothing of them is installed or kept. The words were made up for this and nobody
else has checked them. With --world the simulated world of `tests.bench.fusion` is fused with and without titles.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.annotate.tags import TOPICS
from encoders.base import Content, TextModelName, Vectors
from encoders.embedder import VideoEmbedder, describers_of
from encoders.fusion.fusion import load_fusion
from encoders.media.sandbox_client import MediaReader
from encoders.modalities.modality import ModalitySet, Scale
from encoders.modalities.opened import OpenedEncoders
from encoders.modalities.text_models import TEXT_MODELS
from encoders.models.manifest import folder_of
from encoders.moderation.policy import Moderation
from ranker.learning.fusion import both_ways, co_recall
from schemas.settings.load import load
from streams.demo.clips import titled
from streams.encoding.media_loader import content_in
from tests.bench import fusion as simulated
from tests.bench.text_models import LABELLED, QUERIES, pools, read
from tests.support.models import built_in
from tests.support.paths import ROOT

FILES = Path(__file__).with_name("pictures.json")
SHARED = ROOT.parent / "shared" / "data"
LANGUAGES = ("en", "de", "es", "ru", "zh")
TEXT, WORDS = "text", ("text", "image_text", "audio_text")
K, NEAREST = 5, 10

Rows = Mapping[str, Vectors]


class Known(NamedTuple):
    """A file, what describes it by language, and what it is about; `content` is what was read of it."""

    path: Path
    words: Mapping[str, str]
    topic: str | None
    content: Content

    @property
    def is_recording(self) -> bool:
        return self.content.frames is None or self.path.suffix == ".ogg"


def known_files(pictures: Path | None) -> Iterator[Known]:
    """The files that are there, decoded as uploads are."""
    with MediaReader() as reader:
        for row in json.loads(FILES.read_text("utf-8")):
            places = [SHARED / row["file"], *([pictures / row["file"]] if pictures else [])]
            path = next((one for one in places if one.is_file()), None)
            content = path and content_in(reader.read(path.read_bytes()))
            if path is not None and content is not None:
                yield Known(path, {one: row[one] for one in LANGUAGES}, row.get("topic"), content)


def embedder_of(folder: Path, text_model: TextModelName, cache: Path | None = None) -> VideoEmbedder:
    """The encoders of an agent with this text model."""
    modalities = built_in(folder, text_model=text_model)
    encoders = OpenedEncoders(modalities).open_all()
    return VideoEmbedder(
        modalities,
        encoders,
        load_fusion(modalities),
        Moderation.load(folder, provider="cpu"),
        describers_of(modalities, encoders, cache),
    )


def heights(scores: Mapping[str, Vectors], modalities: ModalitySet, scaled: bool = True) -> Vectors:
    """The best of a video's scores [Q, N] by each name, brought to one height; -1 where a video has no such vector."""
    scales = modalities.met_by_words if scaled else dict.fromkeys(scores, Scale())
    found = [np.where(one > -1, scales[name].factor * one + scales[name].offset, -1) for name, one in scores.items()]
    best: Vectors = np.max(found, axis=0)
    return best


def scores_of(words: Vectors, rows: Rows) -> dict[str, Vectors]:
    """Cosines [Q, N] of words to videos by name; -1 where a video has no such vector."""
    return {name: np.where(of.any(axis=1), words @ of.T, -1.0) for name, of in rows.items()}


def recall(scores: Vectors, places: NDArray[np.int64], k: int) -> float:
    """How often the video that is meant is among the k best; equal ones before it count against it."""
    own = scores[np.arange(len(scores)), places]
    before = (scores >= own[:, None]).sum(axis=1) - 1
    return float(np.mean((before < k) & (own > -1)))


def fitted(related: Rows, queries: Vectors, titles: Vectors) -> Iterator[str]:
    """The scale of each name, by what has nothing to do with the queries: the same mean and spread as titles have."""
    unrelated = queries @ titles.T
    unrelated = unrelated[~np.eye(*unrelated.shape, dtype=np.bool_)]  # query i is for title i
    for name, rows in related.items():
        found = queries @ rows[rows.any(axis=1)].T
        factor = unrelated.std() / found.std()
        offset = unrelated.mean() - factor * found.mean()
        yield (
            f"{name}: {found.size} unrelated pairs {found.mean():.3f} ± {found.std():.3f}, of titles "
            f"{unrelated.mean():.3f} ± {unrelated.std():.3f}: Scale({factor:.2f}, {offset:.3f})"
        )


def line(name: str, cells: Sequence[float]) -> str:
    return f"| {name} | " + " | ".join(f"{one:.2f}" for one in cells) + " |"


def found_alone(embedder: VideoEmbedder, files: Sequence[Known], rows: Rows, named: Vectors) -> Iterator[str]:
    """Recall among the files by their names alone, by what is seen and heard alone, and by both."""
    encode, places = embedder.encoders[TEXT].encode, np.arange(len(files))
    by_name = {TEXT: named}
    for title, given in (("file names as titles", by_name), ("no titles", rows), ("both", {**by_name, **rows})):
        for kind, is_recording in (("pictures and clips", False), ("recordings", True)):
            asked = np.array([one.is_recording == is_recording for one in files])
            cells = []
            for language in LANGUAGES:
                scores = scores_of(encode([one.words[language] for one in files]), given)
                best = heights(scores, embedder.modalities)[asked]
                cells += [recall(best, places[asked], 1), recall(best, places[asked], K)]
            yield line(f"{title}: {kind} ({asked.sum()})", cells)
    yield line("chance", [1 / len(files), K / len(files)] * len(LANGUAGES))


def found_in_company(embedder: VideoEmbedder, files: Sequence[Known], rows: Rows, titles: Vectors) -> Iterator[str]:
    """The files without titles among videos that have titles alone: what queries for either find."""
    encode, queries = embedder.encoders[TEXT].encode, read(QUERIES)
    nothing = np.zeros((len(files), titles.shape[1]), np.float32)
    everything = {TEXT: np.concatenate([titles, nothing])}
    everything |= {name: np.concatenate([np.zeros_like(titles), of]) for name, of in rows.items()}
    ways: dict[str, tuple[Rows, bool]] = {
        "titles alone are compared": ({TEXT: everything[TEXT]}, True),
        "cosines as they are": (everything, False),
        "brought to one height": (everything, True),
    }
    for way, (given, scaled) in ways.items():
        cells = []
        for language in ("en", "de", "zh"):
            of_titles = scores_of(encode([one[language] for one in queries]), given)
            of_files = scores_of(encode([one.words[language] for one in files]), given)
            wanted = len(titles) + np.arange(len(files))
            best = heights(of_titles, embedder.modalities, scaled)
            cells.append(recall(best, np.arange(len(queries)), 1))
            cells.append(recall(heights(of_files, embedder.modalities, scaled), wanted, NEAREST))
            first = np.argsort(-best, axis=1)[:, :NEAREST]
            cells.append(float(np.mean(first >= len(titles))))
        yield line(way, cells)


def near_their_topic(embedder: VideoEmbedder, files: Sequence[Known], vectors: Rows, titles: Vectors) -> Iterator[str]:
    """New videos without a title: are the titled ones that retrieval takes for their neighbours about the same?"""
    topics = np.array([row["topic"] for row in read(LABELLED)])
    titled_rows = embedder.fusion({TEXT: titles[-len(topics) :]})  # the last ones have a topic
    asked = np.array([one.topic in TOPICS for one in files])
    own = np.array([one.topic for one in files])[asked]
    is_same = own[:, None] == topics
    ways = {"titles hidden": plain(vectors), "titles hidden, what is seen and heard in their place": vectors}
    for way, given in ways.items():
        fused = embedder.fusion(given)[asked]
        order = np.argsort(-(fused @ titled_rows.T), axis=1, kind="stable")
        hits = np.take_along_axis(is_same, order, axis=1)
        cells = [hits[:, :NEAREST].mean(), (hits[:, :50].sum(axis=1) / is_same.sum(axis=1)).mean()]
        yield line(f"{way} ({asked.sum()} files)", [float(one) for one in cells])
    yield line("chance", [float(is_same.mean()), 50 / len(topics)])


def plain(vectors: Rows) -> Rows:
    """The same without what is seen and heard in words."""
    return {name: of for name, of in vectors.items() if name not in WORDS[1:]}


def in_the_world(embedder: VideoEmbedder, folder: Path) -> Iterator[str]:
    """The simulated world, half and all of its videos without a title: the same kind / recall of watched together."""
    made = simulated.world()
    contents = [
        Content(text=t, frames=f, sound=s) for t, f, s in zip(made.texts, made.frames, made.sounds, strict=True)
    ]
    vectors = embedder.encode(contents).vectors
    chance = np.random.default_rng(0).random(len(contents))
    ways: dict[str, Callable[[Rows], Rows]] = {
        "titles hidden": plain,
        "what is seen and heard in their place": lambda given: given,
    }
    for way in ("mean", "concat"):
        fuse = load_fusion(built_in(folder), way)  # type: ignore[arg-type]
        for told, prepared in ways.items():
            cells = []
            for share in (0.5, 1.0):
                hidden = chance < share
                given = vectors | {TEXT: np.where(hidden[:, None], 0, vectors[TEXT]).astype(np.float32)}
                fused = fuse(prepared(given))
                pairs = both_ways(made.late)
                cells.append(simulated.same_kind(fused, made.kinds, hidden))
                cells.append(co_recall(fused, pairs[hidden[pairs[:, 0]]], 50))
            yield line(f"{way}: {told}", cells)


def costs(folder: Path, text_model: TextModelName) -> str:
    """CPU at the first start and at the next, and what the labels' vectors take."""
    modalities = built_in(folder, text_model=text_model)
    encoders = OpenedEncoders(modalities).open_all()
    with TemporaryDirectory() as cache:
        spent = [_spent(lambda: describers_of(modalities, encoders, Path(cache))) for _ in range(2)]
        megabytes = sum(one.stat().st_size for one in Path(cache).iterdir()) / 1e6
    kept = sum(one.labels.nbytes for one in describers_of(modalities, encoders).values()) / 1e6
    return (
        f"{text_model}: labels encoded in {spent[0]:.2f} s of CPU at the first start, read in {spent[1]:.2f} s at the "
        f"next; {kept:.1f} MB of memory, {megabytes:.1f} MB on disk"
    )


def _spent(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def report(folder: Path, text_model: TextModelName, files: Sequence[Known], world: bool) -> Iterator[str]:
    """All tables of one text model."""
    embedder = embedder_of(folder, text_model)
    encode = embedder.encoders[TEXT].encode
    vectors = embedder.encode([one.content for one in files]).vectors
    rows = {name: vectors[name] for name in WORDS[1:] if name in vectors}
    titles = encode(pools(read(LABELLED))[0])
    languages = LANGUAGES[:1] if text_model == "minilm" else ("en", "de", "zh")  # MiniLM is for English
    queries = read(QUERIES)
    for language in languages:
        yield from fitted(rows, encode([one[language] for one in queries]), titles)
    yield f"\n| {text_model}: recall@1, @{K} | " + " | ".join(f"{one} @1 | @{K}" for one in LANGUAGES) + " |"
    yield "|---|" + "---|" * 2 * len(LANGUAGES)
    yield from found_alone(embedder, files, rows, encode([titled(one.path) for one in files]))
    columns = [f"{one} title @1 | file @{NEAREST} | files on a title's page" for one in ("en", "de", "zh")]
    yield f"\n| {text_model}: among {len(titles)} titled | " + " | ".join(columns) + " |\n|---|" + "---|" * 9
    yield from found_in_company(embedder, files, rows, titles)
    yield f"\n| {text_model} | of the {NEAREST} nearest titled of the same topic | recall@50 |\n|---|---|---|"
    yield from near_their_topic(embedder, files, vectors, titles)
    if world:
        yield f"\n| {text_model}: simulated | half hidden: kind | recall@50 | all hidden: kind | recall@50 |"
        yield "|---|---|---|---|---|"
        yield from in_the_world(embedder, folder)
    yield f"\n{costs(folder, text_model)}\n"


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.one_space", description="Words find pictures and sounds.")
    parser.add_argument("--pictures", type=Path, help="folder of the unpacked wheels that hold pictures")
    parser.add_argument("--world", action="store_true", help="the simulated world's fusion too, a minute")
    parser.add_argument("--models", nargs="*", choices=tuple(TEXT_MODELS), default=tuple(TEXT_MODELS))
    asked = parser.parse_args(given)
    folder, files = folder_of(load({}, {}, None).settings.cache_dir), [*known_files(asked.pictures)]
    print(f"{len(files)} files")
    for text_model in asked.models:
        for told in report(folder, text_model, files, asked.world):
            print(told, flush=True)


if __name__ == "__main__":
    main()
