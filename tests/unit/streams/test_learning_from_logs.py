"""Learning from a recorded log: training, ranking by what was learned, and evaluating."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ranker.evaluation.metrics import auc
from ranker.feeds.load import learned_of
from ranker.learning import storage
from ranker.learning.fields import FIELD_NAMES
from ranker.learning.parameters import Parameters
from schemas.messages import feedback, videos
from schemas.messages.recommendations import Recommendation
from schemas.settings.load import SettingsError
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.logs.jsonl import Fault, Line, read_log
from streams.logs.replay import Replay, replay_embedder
from streams.operations.evaluate import LogEvaluation, iso_time
from streams.operations.log_learner import LogLearner
from streams.operations.train_ranking import learn_from
from tests.support.brokers import CACHE
from tests.support.command import Freshet
from tests.support.events import liked, minute, skipped, uploaded, watched

SPLIT = 400  # minutes


def lines() -> list[bytes]:
    """60 videos by six creators; everybody finishes those of two of them, and skips most others."""
    chance = np.random.default_rng(5)
    made = [
        uploaded(f"v{n:02}", minute(-60), creator_id=f"c{n % 6}", duration_ms=20_000, tags=["t"]) for n in range(60)
    ]
    found: list[bytes] = [videos.encode(one) for one in made]
    for n in range(600):
        person, number = f"p{chance.integers(40):02}", int(chance.integers(60))
        is_good = chance.random() < (0.85 if number % 6 < 2 else 0.15)
        at = {"at_ms": minute(n), "surface": "feed"}
        event = watched(person, f"v{number:02}", **at) if is_good else skipped(person, f"v{number:02}", **at)
        found.append(feedback.encode(event))
        if is_good and chance.random() < 0.3:
            found.append(feedback.encode(liked(person, f"v{number:02}", **at)))
    return found


LINES = lines()
SOME = LINES[:200]


def log(folder: Path) -> Path:
    file = folder / "log.jsonl"
    file.write_bytes(b"\n".join(LINES))
    return file


def read(part: list[bytes] = LINES) -> list[Line | Fault]:
    return [*read_log(part)]


def replayed(settings: Settings, **how: int) -> list[Recommendation]:
    run = Replay(settings, replay_embedder(settings), **how)

    async def collect() -> list[Recommendation]:
        return [slate async for slate in run.run(read_log(SOME))]

    return asyncio.run(collect())


def test_what_people_finish_is_learned_whatever_the_log_is_cut_into() -> None:
    trained = learn_from(Settings(), read())
    assert trained.figures()["exposures"] == 600
    effects = trained.parameters.effect[:, 0]
    creators = {n: effects[trained.parameters.row(FIELD_NAMES.index("creator"), f"c{n}")] for n in range(6)}
    assert min(creators[0], creators[1]) > max(creators[n] for n in range(2, 6))
    late = slice(300, None)
    assert auc(trained.chances[late, 0], trained.labels[late, 0] > 0) > 0.7


def test_a_repeat_is_learned_once() -> None:
    named = [line.replace(b'"kind"', b'"event_id":"e%d","kind"' % n, 1) for n, line in enumerate(SOME)]
    once = learn_from(Settings(), read_log(named)).parameters
    doubled = learn_from(Settings(), read_log(line for line in named for _ in range(2))).parameters
    assert storage.dump(doubled) == storage.dump(once)


def test_each_exposure_is_handed_out_before_it_is_learned_from() -> None:
    parameters, met = Parameters(), Counter[str]()
    for batch in LogLearner(Settings(), parameters).batches(read()):
        for one, rows in zip(batch.opened, batch.predicted.rows, strict=True):
            video = one.example.video_id
            assert parameters.counts[rows[FIELD_NAMES.index("video")], 0] == met[video]
            met[video] += one.example.is_first
    assert met.total() == 600


def test_slates_are_ranked_by_what_was_learned_and_say_so(freshet: Freshet, tmp_path: Path) -> None:
    out = tmp_path / "parameters.npz"
    ran = freshet("train", log(tmp_path), "--out", out, "--json")
    assert ran.code == 0, ran.err
    version = json.loads(ran.out)["version"]
    plain = Settings(cache_dir=CACHE.settings.cache_dir)
    settings = plain.model_copy(update={"parameters": str(out)})
    ranked, alone = replayed(settings), replayed(plain)
    assert {slate.models["ranker"].rpartition("-")[2] for slate in ranked} == {version}
    assert [one.items for one in replayed(settings, batch=1)] == [one.items for one in ranked]

    def good(slates: list[Recommendation]) -> float:
        shown = [int(item.video_id[1:]) % 6 < 2 for slate in slates for item in slate.items[:5]]
        return sum(shown) / len(shown)

    assert good(ranked) > good(alone) + 0.1
    assert {because.code for slate in ranked for item in slate.items for because in item.reasons} >= {
        "creator",
        "topic",
    }


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04"])
def test_parameters_that_cannot_be_used_are_named_with_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "parameters.npz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"^FRESHET_PARAMETERS=.*Make it with `freshet train`\.$"):
        learned_of(Settings(parameters=str(file)))


def test_the_evaluation_finds_what_is_better_than_what_and_a_gate_decides(freshet: Freshet, tmp_path: Path) -> None:
    gate, report = tmp_path / "gate.toml", tmp_path / "report.html"
    gate.write_text('[finish]\nauc = { at_least = 0.7 }\n[finish.against."person\'s rate so far"]\nauc = "better"\n')
    split = str(minute(SPLIT))
    command = ["evaluate", log(tmp_path), "--split", split, "--draws", "100"]
    ran = freshet(*command, "--json", "--gate", gate, "--report", report)
    assert ran.code == 0, ran.err
    result = json.loads(ran.out)
    finish, baselines = result["heads"]["finish"], result["baselines"]
    assert finish["auc"][1] <= finish["auc"][0] <= finish["auc"][2]
    assert finish["auc"][0] > baselines["person's rate so far"]["heads"]["finish"]["auc"][0]
    assert result["exposures"] == 200
    assert "<svg" in report.read_text("utf-8")
    gate.write_text("[finish]\nauc = { at_least = 0.999 }\n")
    ran = freshet(*command, "--gate", gate)
    assert ran.code == 1
    assert "finish" in ran.err and "0.999" in ran.err
    assert "finish" in ran.out  # the table is printed all the same


def test_likes_are_ranked_in_place_of_finishes_where_they_are_asked_for(freshet: Freshet, tmp_path: Path) -> None:
    command = ("evaluate", log(tmp_path), "--split", str(minute(SPLIT)), "--draws", "100")
    finishes, likes = (json.loads(freshet(*command, *how, "--json").out) for how in ((), ("--next-like",)))
    assert likes["heads"] == finishes["heads"]
    assert "finishes so far" in finishes["ranking"] and "likes so far" not in finishes["ranking"]
    assert "likes so far" in likes["ranking"] and "finishes so far" not in likes["ranking"]
    mine = {side: found["ranking"]["freshet"] for side, found in (("finish", finishes), ("like", likes))}
    assert mine["finish"]["videos"] == mine["finish"]["people"]  # a person's first one alone
    assert mine["like"]["videos"] > mine["like"]["people"] > 0


def test_parameters_that_learn_nothing_any_more_are_compared_on_the_same_exposures(
    freshet: Freshet, tmp_path: Path
) -> None:
    frozen, split = tmp_path / "frozen.npz", str(minute(SPLIT))
    ran = freshet("train", log(tmp_path), "--until", split, "--out", frozen, "--json")
    assert json.loads(ran.out)["exposures"] == SPLIT
    against = ("--against", frozen, "--no-catalogue")
    ran = freshet("evaluate", log(tmp_path), "--split", split, "--draws", "100", "--json", *against)
    result = json.loads(ran.out)
    theirs = result["baselines"]["frozen.npz"]["heads"]["finish"]
    assert 0.7 < theirs["auc"][0] != result["heads"]["finish"]["auc"][0]
    low, high = result["differences"]["frozen.npz"]["finish"]["auc"][1:]
    assert low < high
    ran = freshet("evaluate", log(tmp_path), "--split", split, "--against", tmp_path / "nothing.npz")
    assert ran.code == 2 and "nothing.npz: No such file or directory. Make it with `freshet train`" in ran.err
    ran = freshet("evaluate", log(tmp_path), "--split", split, "--against", log(tmp_path))
    assert ran.code == 2 and "they are no .npz file. Make it with" in ran.err and "pickle" not in ran.err


@pytest.mark.parametrize("split", [minute(-99_000), minute(99_000)])
def test_a_split_without_anything_on_one_side_is_named_with_the_times_of_the_log(split: int) -> None:
    run = LogEvaluation(Settings(), split)
    run.run(read(SOME))
    side = "before" if split < minute(0) else "on or after"
    with pytest.raises(
        OperatorError, match=rf"no exposure {side} the split: its \d+ are from {iso_time(minute(0))} to "
    ):
        run.result(100)


def test_a_log_without_exposures_is_not_blamed_on_the_split() -> None:
    with pytest.raises(OperatorError, match=r"^The log has no exposure\. `freshet validate"):
        LogEvaluation(Settings(), minute(0)).result(100)


def test_nothing_to_learn_from_leaves_earlier_parameters_alone(freshet: Freshet, tmp_path: Path) -> None:
    out, empty = tmp_path / "parameters.npz", tmp_path / "empty.jsonl"
    out.write_bytes(b"learned last night")
    empty.write_bytes(b"")
    for command in (["train", empty], ["train", log(tmp_path), "--until", "2020-01-01"]):
        ran = freshet(*command, "--out", out)
        assert ran.code == 1 and "The log has no exposure" in ran.err
    assert out.read_bytes() == b"learned last night"


@pytest.mark.parametrize("name", ["", "no_such_folder/file", "-"])
def test_a_file_that_cannot_be_written_is_told_before_the_log_is_read(
    freshet: Freshet, tmp_path: Path, name: str
) -> None:
    out = name if name == "-" else tmp_path / name
    split = ("--split", str(minute(SPLIT)))
    for command in (
        ["train", log(tmp_path), "--out", out],
        ["train-sequence", log(tmp_path), "--out", out],
        ["replay", log(tmp_path), "--out", out],
        ["evaluate", log(tmp_path), *split, "--report", out],
        ["compare", "ranker.feeds.home:build", "ranker.feeds.home:build", log(tmp_path), "--report", out],
    ):
        ran = freshet(*command)
        assert ran.code == 2 and "Invalid value for '--" in ran.err and "100%" not in ran.err


@pytest.mark.parametrize("split", ["tomorrow", "12", "2022-13-01"])
def test_a_split_that_is_no_time_is_a_usage_error(freshet: Freshet, tmp_path: Path, split: str) -> None:
    ran = freshet("evaluate", log(tmp_path), "--split", split)
    assert ran.code == 2
    assert "neither ISO 8601" in " ".join(ran.err.replace("│", " ").split())


def test_a_gate_with_a_mistake_is_named_before_the_log_is_read(freshet: Freshet, tmp_path: Path) -> None:
    gate = tmp_path / "gate.toml"
    gate.write_text("[finnish]\nauc = { at_least = 0.7 }\n")
    ran = freshet("evaluate", log(tmp_path), "--split", "2022-04-28", "--gate", gate)
    assert ran.code == 2
    assert "finnish" in ran.err
