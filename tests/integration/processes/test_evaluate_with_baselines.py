"""An evaluation with baselines in an environment of their own, in place of which a script stands here."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.messages import feedback, videos
from streams.operations.evaluate_catalogue import FINISH
from tests.support.command import Freshet
from tests.support.events import minute, skipped, uploaded, watched

SPLIT = 300
HONEST = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path.cwd()))
import numpy as np
import streams
from streams.operations.baselines import exchange
assert Path(streams.__file__).is_relative_to(Path.cwd()), "not the copy that was handed over"
folder = Path(sys.argv[-1])
exposures, finishes = exchange.read_exposures(folder), exchange.read_next_finish(folder)
print("this goes where messages go")
tested, late = exposures.labels[exposures.training:], exposures.labels[exposures.early:exposures.training]
exchange.write_head_scores(folder, 0, exchange.HeadScores(tested * 0.8 + 0.1, tested, late * 0.8 + 0.1))
if finishes:
    popular = np.bincount(finishes.videos, minlength=finishes.sizes[1]).astype(float)
    exchange.write_next_finish_scores(folder, 0, np.tile(popular, (len(finishes.targets), 1)))
exchange.write_names(folder, ["oracle"], ["popular"] if finishes else [])
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log in which videos differ in how often they are finished."""
    chance = np.random.default_rng(8)
    made: list[bytes] = [videos.encode(uploaded(f"v{n}", minute(-60), creator_id="c1")) for n in range(30)]
    for n in range(500):
        video = int(chance.integers(30))
        does = watched if chance.random() < 0.2 + 0.02 * video else skipped
        made.append(feedback.encode(does(f"p{chance.integers(60)}", f"v{video}", minute(n), surface="feed")))
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"\n".join(made))
    return file


def environment(folder: Path, script: str) -> Path:
    """An environment whose Python runs this script, whatever it is asked to run."""
    python = folder / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (folder / "script.py").write_text(script)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder / "script.py"}" "$@"\n')
    python.chmod(0o755)
    return folder / "env"


def command(log: Path, environment: Path, *more: object) -> tuple[object, ...]:
    which = ("--baselines", "heavy", "--baselines-env", environment)
    return ("evaluate", log, "--split", str(minute(SPLIT)), "--draws", "100", "--json", *which, *more)


def evaluated(freshet: Freshet, *arguments: object) -> dict[str, Any]:
    ran = freshet(*arguments)
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_baselines_are_rows_beside_the_standard_run_which_stays_as_it_is(
    freshet: Freshet, log: Path, tmp_path: Path
) -> None:
    ours = environment(tmp_path, HONEST)
    report = tmp_path / "report.html"
    beside = evaluated(freshet, *command(log, ours, "--report", report))
    alone = evaluated(freshet, "evaluate", log, "--split", str(minute(SPLIT)), "--draws", "100", "--json")
    assert beside["heads"] == alone["heads"]
    assert {name: beside["baselines"][name] for name in alone["baselines"]} == alone["baselines"]
    assert {name: beside["ranking"][name] for name in alone["ranking"]} == alone["ranking"]
    assert beside["baselines"]["oracle"]["heads"]["finish"]["auc"][0] == 1
    assert beside["baselines"]["oracle"]["heads"]["finish"]["f1"][0] == 1
    value, low, high = beside["differences"]["oracle"]["finish"]["auc"]
    assert value == pytest.approx(alone["heads"]["finish"]["auc"][0] - 1, abs=1e-6) and low <= value <= high < 0
    assert "oracle" in report.read_text() and "popular" in report.read_text()


def test_all_videos_are_ranked_by_the_same_rule(freshet: Freshet, log: Path, tmp_path: Path) -> None:
    ranking = evaluated(freshet, *command(log, environment(tmp_path, HONEST)))["ranking"]
    assert ranking["popular"] == ranking[FINISH.popularity]  # what was finished before the split, once as a baseline
    assert ranking["popular"]["lead in NDCG@10"][0] is not None


def test_without_the_catalogue_baselines_are_not_asked_for_it(freshet: Freshet, log: Path, tmp_path: Path) -> None:
    found = evaluated(freshet, *command(log, environment(tmp_path, HONEST), "--no-catalogue"))
    assert found["ranking"] is None and "oracle" in found["baselines"]


def test_an_environment_that_is_missing_is_told_before_the_log_is_read(
    freshet: Freshet, log: Path, tmp_path: Path
) -> None:
    ran = freshet(*command(log, tmp_path / "none"))
    assert ran.code == 1 and "evaluated" not in ran.err
    assert f"The baselines' environment {tmp_path / 'none'} is missing." in ran.err.replace("\n", " ")
    assert "`make baselines` makes it." in ran.err


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit(3)", "The baselines ended with status 3."),
        ("", "cannot be read"),
        (HONEST.replace("tested * 0.8 + 0.1", "tested[1:]"), "heads-0.npz: probability has shape"),
        (HONEST.replace("popular, (", "popular * np.nan, ("), "next_finish-0.npy has values that are not finite"),
    ],
)
def test_what_baselines_cannot_have_meant_ends_the_command(
    freshet: Freshet, log: Path, tmp_path: Path, script: str, said: str
) -> None:
    ran = freshet(*command(log, environment(tmp_path, script)))
    assert ran.code == 1 and said in ran.err.replace("\n", " ") and "Traceback" not in ran.err
    assert not ran.out
