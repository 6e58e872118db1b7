"""Models beside the standard run: with user features, with undated histories; each a row of its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranker.learning.parameters import Parameters
from schemas.messages import feedback, videos
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.logs.jsonl import read_log
from streams.logs.people import read_histories
from streams.operations.evaluate import LogEvaluation
from streams.operations.evaluated_models import WITH_HISTORIES, WITH_USER_FEATURES, Lagging, WithHistories
from streams.operations.log_learner import LogLearner
from tests.support.command import Freshet
from tests.support.events import minute, skipped, uploaded, watched

SPLIT = 200
PEOPLE = [f"p{n:03}" for n in range(300)]


def is_patient(person: str) -> bool:
    return int(person[1:]) % 2 == 0


def lines() -> list[bytes]:
    """Patient people finish most of what they meet, others skip most; everybody comes once or twice."""
    chance = np.random.default_rng(8)
    made: list[bytes] = [videos.encode(uploaded(f"v{n}", minute(-60), creator_id="c1")) for n in range(20)]
    for n in range(400):
        person, video = PEOPLE[int(chance.integers(len(PEOPLE)))], f"v{chance.integers(20)}"
        does = watched if (chance.random() < 0.85) == is_patient(person) else skipped
        made.append(feedback.encode(does(person, video, minute(n), surface="feed")))
    return made


LINES = lines()


def history(person: str, until_ms: int = minute(-90)) -> dict[str, Any]:
    met = [f"v{n}" for n in range(10)]
    return {
        "user_id": person, "until_ms": until_ms, "exposures": 20, "watched": met,
        "finished": met[:8] if is_patient(person) else met[:1],
    }  # fmt: skip


def written(path: Path, people: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, people)))
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(LINES))
    features = [{"user_id": one, "features": {"patience": str(is_patient(one))}} for one in PEOPLE]
    return {
        "log": log,
        "people": written(tmp_path / "people.jsonl", features),
        "warm": written(tmp_path / "histories.jsonl", [*map(history, PEOPLE)]),
    }


FOUND: dict[str, dict[str, Any]] = {}


def evaluated(freshet: Freshet, files: dict[str, Path], *more: object) -> dict[str, Any]:
    """What the command finds of the files as they are made; what several tests ask for is found once."""
    asked = " ".join(one.name if isinstance(one, Path) else str(one) for one in more)
    if asked not in FOUND:
        command = ("evaluate", files["log"], "--split", str(minute(SPLIT)), "--draws", "100", "--json", *more)
        ran = freshet(*command)
        assert ran.code == 0, ran.err
        FOUND[asked] = json.loads(ran.out)
    return FOUND[asked]


def test_each_model_is_a_row_beside_the_standard_run_which_stays_as_it_is(
    freshet: Freshet, files: dict[str, Path]
) -> None:
    alone, heads = evaluated(freshet, files), evaluated(freshet, files, "--no-catalogue")
    both = evaluated(freshet, files, "--people", files["people"], "--warm", files["warm"])
    assert both["heads"] == heads["heads"] == alone["heads"] and heads["baselines"] == alone["baselines"]
    assert both["ranking"] == alone["ranking"] and not heads["ranking"]
    assert {*both["baselines"]} - {*alone["baselines"]} == {WITH_USER_FEATURES, WITH_HISTORIES}
    for name in (WITH_USER_FEATURES, WITH_HISTORIES):
        of = both["baselines"][name]["heads"]["finish"]
        assert of["auc"][0] > alone["heads"]["finish"]["auc"][0] + 0.05
        assert both["differences"][name]["finish"]["auc"][2] < 0  # ours is worse


def test_each_alone_gives_the_same_row_as_together(freshet: Freshet, files: dict[str, Path]) -> None:
    both = evaluated(freshet, files, "--people", files["people"], "--warm", files["warm"])
    for option, name in (("people", WITH_USER_FEATURES), ("warm", WITH_HISTORIES)):
        one = evaluated(freshet, files, f"--{option}", files[option], "--no-catalogue")
        assert one["baselines"][name] == both["baselines"][name]


def learned(lines: list[bytes]) -> Parameters:
    parameters = Parameters()
    for _ in LogLearner(Settings(), parameters).batches(read_log(lines)):
        pass
    return parameters


def test_parameters_that_lag_have_learned_what_is_old_enough_and_nothing_later() -> None:
    lag_s = 60 * 60
    model = Lagging(lag_s)
    LogEvaluation(Settings(), minute(SPLIT), {"lagging": model}, catalogue=False).run(read_log(LINES))
    last_ms = max(json.loads(line)["at_ms"] for line in LINES)
    old_enough = [line for line in LINES if json.loads(line)["at_ms"] <= last_ms - lag_s * 1000]
    assert 0 < len(old_enough) < len(LINES) - 50
    expected = learned(old_enough)
    assert model.parameters.row_of == expected.row_of
    for name in ("effect", "variance", "counts", "weights", "covariance", "totals"):
        assert np.array_equal(getattr(model.parameters, name), getattr(expected, name)), name


def test_a_lag_is_a_row_beside_and_one_without_length_changes_nothing(freshet: Freshet, files: dict[str, Path]) -> None:
    alone = evaluated(freshet, files, "--no-catalogue")
    found = evaluated(freshet, files, "--no-catalogue", "--lag", 1, "--lag", 7200)
    assert found["heads"] == alone["heads"]
    short, long = (found["baselines"][f"freshet, {lag} s behind"]["heads"] for lag in ("1", "7,200"))
    for key in ("auc", "gauc", "logloss"):  # the events of this log are a minute apart
        assert short["finish"][key] == found["heads"]["finish"][key] != long["finish"][key]
    assert found["differences"]["freshet, 1 s behind"]["finish"]["auc"] == [0, 0, 0]


def test_a_lag_of_nothing_is_a_usage_error(freshet: Freshet, files: dict[str, Path]) -> None:
    assert freshet("evaluate", files["log"], "--split", str(minute(SPLIT)), "--lag", 0).code == 2


def test_a_history_that_reaches_into_the_log_is_left_out(tmp_path: Path, files: dict[str, Path]) -> None:
    first = json.loads(next(line for line in LINES if b"user_id" in line))["at_ms"]

    def finish_auc(*histories: dict[str, Any]) -> float:
        models = {WITH_HISTORIES: WithHistories(read_histories(written(tmp_path / "some.jsonl", [*histories])))}
        run = LogEvaluation(Settings(), minute(SPLIT), models, catalogue=False)
        run.run(read_log(LINES))
        return run.result(100).baselines[WITH_HISTORIES]["finish"].figures["auc"].value

    someone = history("p998")
    late = [history(one, until_ms=first) for one in PEOPLE]
    assert finish_auc(someone, *late) == finish_auc(someone)
    with pytest.raises(OperatorError, match="No history ends before the log begins"):
        finish_auc(*late)


GOOD = {"people": '{"user_id":"u1","features":{}}', "warm": json.dumps(history("p1"))}


@pytest.mark.parametrize(
    ("option", "content", "said"),
    [
        ("people", "", "says nothing of anybody"),
        ("people", f"{GOOD['people']}\n{{", "line 2: Input data was truncated"),
        ("people", f"{GOOD['people']}\n{GOOD['people']}", "line 2: u1 has a line before"),
        ("people", '{"user_id":"u1"}', "line 1: Object missing required field `features`"),
        ("people", '{"user_id":"u1","features":{"a":{}}}', "line 1: Expected"),
        ("people", '{"user_id":"","features":{}}', "line 1: Expected"),
        ("people", "user_id,follows\nu1,7\nu2,8", "is CSV"),
        ("people", "PAR1", "is a Parquet file"),
        ("warm", GOOD["people"], "line 1: Object missing required field `until_ms`"),
        ("warm", GOOD["warm"].replace('["v0"', '[7, "v0"'), "line 1: Expected `str`, got `int` - at `$.watched[0]`"),
        ("warm", GOOD["warm"].replace('"exposures": 20', '"exposures": 0'), "line 1: Expected `int` >= 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_before_the_log_is_read(
    freshet: Freshet, files: dict[str, Path], option: str, content: str, said: str
) -> None:
    files[option].write_text(content)
    ran = freshet("evaluate", files["log"], "--split", str(minute(SPLIT)), f"--{option}", files[option])
    assert ran.code == 1
    assert files[option].name in ran.err and said in ran.err and "-> " in ran.err
    assert "Traceback" not in ran.err and "evaluated" not in ran.err


@pytest.mark.parametrize("option", ["--people", "--warm"])
def test_a_file_that_is_not_there_is_a_usage_error(freshet: Freshet, files: dict[str, Path], option: str) -> None:
    ran = freshet("evaluate", files["log"], "--split", str(minute(SPLIT)), option, files["log"].with_name("none"))
    assert ran.code == 2
    assert "does not exist" in " ".join(ran.err.replace("│", " ").split())
