"""The measurements of content run on a few made-up films, and their parts say what can be counted by hand."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from encoders.annotate.tags import TOPICS
from encoders.base import unit_rows
from encoders.modalities.text import TextEncoder
from tests.bench import cold_start, compression, encoder_memory, gate, gpu, languages, text_misses, text_models, topics
from tests.bench.films import Shelf, read
from tests.bench.titles import ENGLISH, NAMES, titles
from tests.support.paths import ROOT

GENRES = ("Action|Crime", "Animation|Children")
FILMS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of two kinds and six people, each of whom likes one kind."""
    folder = tmp_path_factory.mktemp("movielens")
    stories = ("A Bank Robbery", "The Talking Rabbit")
    movies = [f'{n},"{stories[n % 2]} {n} (1995)",{GENRES[n % 2]}' for n in range(FILMS)]
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *movies, "99,Odd,(no genres listed)"]) + "\n")
    rated = [(who, n, 5.0 if n % 2 == who % 2 else 1.0) for who in range(6) for n in range(FILMS)]
    ratings = [f"{who},{n},{stars},{1_000_000_000 - n}" for who, n, stars in rated]
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *ratings]) + "\n")
    (folder / "tags.csv").write_text("userId,movieId,tag,timestamp\n0,3, Rabbits ,1\n1,3,rabbits,2\n1,3,ears,3\n")
    return folder


@pytest.fixture(scope="module")
def shelf(folder: Path) -> Shelf:
    return read(folder)


# films


def test_films_are_read_with_likes_newest_last_and_tags_without_repeats(shelf: Shelf) -> None:
    assert shelf.texts()[0] == "A Bank Robbery 0 (1995)" and shelf.texts(year=False)[0] == "A Bank Robbery 0"
    assert shelf.texts(genres=True, tags=True)[3] == "The Talking Rabbit 3 (1995). Animation, Children, rabbits, ears"
    assert shelf.texts(genres=True)[-1] == "Odd"
    assert [liked.tolist() for liked in shelf.likes[:2]] == [list(range(58, -1, -2)), list(range(59, 0, -2))]


# cold start


def test_no_like_of_a_hidden_film_is_known(shelf: Shelf) -> None:
    for split in range(3):
        for case in cold_start.cases(shelf, split):
            assert len(case.hidden) == 12 and not set(case.liked) & set(case.hidden)
            relevant = set(case.hidden[case.relevant])
            assert relevant | set(case.liked) == set(shelf.likes[case.person]) and relevant


def test_content_that_tells_kinds_apart_ranks_hidden_films_perfectly_and_ties_by_chance(shelf: Shelf) -> None:
    kinds = cold_start.near_likes(cold_start.genre_columns(shelf))
    found = cold_start.measured(shelf, {"kinds": kinds, "ties": lambda case: np.zeros(len(case.hidden))}, 3)
    rows = {name: cold_start.of_people(figures) for name, figures in found.items()}
    assert len(rows["kinds"]) == 6
    assert (rows["kinds"][:, 1] == 1).all() and (rows["ties"][:, 1] == 0.5).all()


def test_cold_start_prints_a_row_for_everything_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cold_start.main([str(folder), "--seeds", "2"])
    printed = capsys.readouterr().out
    for name in (cold_start.ALL, cold_start.SHORT, cold_start.RANDOM, cold_start.POPULAR, cold_start.ORACLE):
        assert f"\n| {name} | " in printed
    assert f"\n| {cold_start.POPULAR} | 1.000 | 1.000 to 1.000 | 0.500 | 0.500 to 0.500 |" in printed


# compression


@pytest.fixture
def small_model(tmp_path: Path) -> Path:
    """y = x · w, w a matrix of 1 to 12."""
    weights = np.arange(1, 13, dtype=np.float32).reshape(4, 3)
    ports = [helper.make_tensor_value_info(*port) for port in (("x", 1, ["n", 4]), ("y", 1, ["n", 3]))]
    node, held = helper.make_node("MatMul", ["x", "w"], ["y"]), numpy_helper.from_array(weights, "w")
    graph = helper.make_graph([node], "small", ports[:1], ports[1:], [held])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "small")
    return tmp_path / "small"


def test_pruning_takes_the_smallest_weights_and_no_other(small_model: Path, tmp_path: Path) -> None:
    compression.pruned(0.5)(small_model, tmp_path / "pruned")
    (held,) = onnx.load(tmp_path / "pruned").graph.initializer
    assert numpy_helper.to_array(held).ravel().tolist() == [0, 0, 0, 0, 0, 0, 7, 8, 9, 10, 11, 12]


def test_half_weights_are_stored_as_fp16_under_the_old_name_of_a_cast(small_model: Path, tmp_path: Path) -> None:
    compression.halved(small_model, tmp_path / "half")
    graph = onnx.load(tmp_path / "half").graph
    onnx.checker.check_model(onnx.load(tmp_path / "half"))
    assert [one.data_type for one in graph.initializer] == [TensorProto.FLOAT16]
    assert [(node.op_type, list(node.output)) for node in graph.node] == [("Cast", ["w"]), ("MatMul", ["y"])]


def test_neighbours_leave_out_a_row_itself_and_recall_counts_them() -> None:
    rows = unit_rows(np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32))
    near = compression.neighbours(rows, k=1)
    assert near.ravel().tolist() == [1, 0, 3, 2]
    assert compression.kept(near, np.array([[1], [3], [3], [2]])).tolist() == [1, 0, 1, 1]


def test_a_byte_a_number_changes_a_vector_by_less_than_half_a_step() -> None:
    rows = unit_rows(np.random.default_rng(3).standard_normal((50, 256)).astype(np.float32))
    rows[7] = 0
    stored = compression.as_int8(rows)
    assert np.abs(stored - rows).max() < np.abs(rows).max() / 127 and not stored[7].any()
    assert (stored[:7] * rows[:7]).sum(axis=1).min() > 0.999


def test_the_rule_for_int8_asks_for_its_recall_and_for_enough_titles() -> None:
    assert "fp32 stays the default" in compression.verdict("int8", 0.949, 9000)
    assert "may become the default" in compression.verdict("int8", 0.95, 9000)
    assert "too few" in compression.verdict("int8", 1.0, 4999)


def test_a_variant_is_opened_by_the_encoder_as_in_service(models: Path, tmp_path: Path) -> None:
    path, encoder = compression.opened(models, tmp_path / "half", compression.halved)
    exact = TextEncoder(models, provider="cpu").encode(["a cat", "the last train"])
    assert path.stat().st_size < 0.51 * (models / path.name).stat().st_size
    assert (encoder.encode(["a cat", "the last train"]) * exact).sum(axis=1).min() > 0.999


@pytest.mark.slow  # makes and packs six models
def test_compression_prints_a_row_for_every_model_and_length(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.bench.compression", str(folder), "--rounds", "1", "--level", "1"]
    root = ROOT
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    for name in compression.VARIANTS:
        assert f"| {name} | " in done.stdout
    for dim in compression.DIMS:
        assert f"| {dim} | int8 | {dim + 4} | " in done.stdout
    assert "too few to decide" in done.stdout


# languages


def test_the_titles_are_forty_in_every_language_and_no_two_alike() -> None:
    by_language = titles()
    assert set(by_language) == {ENGLISH, *NAMES}
    assert all(len(set(of_one)) == len(of_one) == 40 for of_one in by_language.values())


def test_titles_of_topics_are_ten_a_topic_and_none_was_learned_from() -> None:
    rows, of = text_models.read(topics.TITLES), topics.asked(topics.TITLES)
    assert len(rows) == 260 and len(set(of.texts)) == len(of.texts) == 520
    pairs = {(row["topic"], language) for row in rows for language in row if language not in ("topic", ENGLISH)}
    assert len(pairs) == 260 and {topic for topic, _ in pairs} == set(TOPICS)
    assert not set(of.texts) & {*topics.asked(text_models.LABELLED).texts}


def test_a_title_that_misses_its_twin_is_told_with_what_it_found_and_a_hit_is_not() -> None:
    pool = np.eye(3, dtype=np.float32)
    rows = np.array([[1, 0, 0], [0.5, 0.3, 0.6]], np.float32)
    (miss,) = text_misses.misses(["a", "b"], rows, ["A", "B", "C"], pool, [0, 1])
    assert (miss.title, miss.twin, miss.found, miss.rank) == ("b", "B", "C", 3)
    assert (miss.to_twin, miss.to_found) == pytest.approx((0.3, 0.6))


def test_memory_is_that_of_a_process_and_of_those_that_it_has_started() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in encoder_memory.children(os.getpid())
        whole = encoder_memory.taken(os.getpid())
        assert 0 < whole.own < whole.resident and 0 < encoder_memory.taken(child.pid).resident < whole.resident
        child.communicate(b"\n")


def test_titles_for_the_gate_are_twenty_of_a_kind_in_each_language_and_none_was_learned_from() -> None:
    of, lessons = gate.judged(gate.TITLES), gate.judged(gate.LESSONS)
    counts = Counter(zip(of.languages.tolist(), of.harmful.tolist(), strict=True))
    assert len(counts) == 22 and set(counts.values()) == {20} and len(set(of.texts)) == 440
    assert not set(of.texts) & set(lessons.texts) and lessons.harmful.sum() == 36 * 4


def test_a_logistic_regression_finds_the_side_on_which_harm_lies() -> None:
    rows = np.random.default_rng(1).standard_normal((200, 5)).astype(np.float32)
    weights = gate.logistic(rows, rows[:, 2] > 0.3, np.ones(200))
    assert np.abs(weights[:5]).argmax() == 2 and weights[2] > 0 > weights[-1]
    assert ((gate.scores(rows, weights) > 0.5) == (rows[:, 2] > 0.3)).mean() > 0.95


def test_a_translation_counts_as_found_when_its_own_original_is_the_nearest() -> None:
    originals = unit_rows(np.array([[1, 0], [0, 1]], np.float32))
    translated = unit_rows(np.array([[1, 0], [1, 0.5]], np.float32))
    one = languages.understood(originals, translated, [["a", "[UNK]"], ["b", "c"]])
    assert (one.found, one.tokens, one.unknown) == (0.5, 2.0, 0.25)
    assert one.own == pytest.approx((1 + 0.5 / 1.25**0.5) / 2)
    assert one.others == pytest.approx((0 + 1 / 1.25**0.5) / 2) and one.themselves == pytest.approx(1 / 1.25**0.5)


def test_languages_prints_a_row_for_each(models: Path) -> None:
    few = {language: of_one[:4] for language, of_one in titles().items()}
    printed = languages.told(languages.measured(models, few))
    names = [line.split(" | ")[0].removeprefix("| ") for line in printed.splitlines()[2:]]
    assert names == list(NAMES.values())


@pytest.mark.parametrize("command", ["cold_start", "compression"])
def test_a_folder_without_films_is_refused_in_a_sentence(command: str, tmp_path: Path) -> None:
    module = {"cold_start": cold_start, "compression": compression}[command]
    with pytest.raises(SystemExit, match=r"holds no movies\.csv"):
        module.main([str(tmp_path)])


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is a GPU")
def test_where_there_is_no_gpu_its_benchmark_says_so_and_measures_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["gpu"])
    assert gpu.main() == 2
    said = capsys.readouterr()
    assert said.out == "" and "cannot run on cuda" in said.err
