"""What slates on a real Kafka say of a video is what the evaluation of the same log predicts of the exposure to it."""

import json
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from ranker.evaluation.served import as_served
from ranker.learning import storage
from ranker.learning.model import predict
from schemas.messages import feedback
from schemas.settings.model import Settings
from schemas.topics import FEATURES, FEEDBACK, UPLOADS
from streams.logs.jsonl import Line, read_log
from streams.operations.log_learner import LogLearner
from streams.operations.train_ranking import learn_from
from tests.support.paths import GOLDEN
from tests.support.recording_feed import FILE
from tests.support.system import agents, everything, publish, slates, unanswered, wait_until

pytestmark = [pytest.mark.connected, pytest.mark.slow]

LOG = GOLDEN / "log.jsonl"
CLOSE = 1e-4
SURFACES = ("feed", "search")


def log_lines() -> list[Line]:
    """The golden log, watched on two surfaces."""
    found = []
    for line in read_log(iter(LOG.read_bytes().splitlines())):
        assert isinstance(line, Line)
        if line.topic is FEEDBACK:
            message = replace(line.message, surface=SURFACES[line.number // 5 % 2])
            line = line._replace(message=message, value=feedback.encode(message))
        found.append(line)
    return found


def versions_before(lines: list[Line]) -> dict[int, int]:
    """By number of a line the version of its person's profile before it."""
    counts: Counter[bytes] = Counter()
    found = {}
    for line in lines:
        if line.topic is FEEDBACK:
            found[line.number] = counts[line.key]
            counts[line.key] += 1
    return found


def rounds(lines: list[Line]) -> list[list[Line]]:
    """Each person's events one after the other: none of them shares a slate with the next."""
    turns: list[list[Line]] = []
    turn_of: dict[bytes, int] = {}
    for line in lines:
        turn = turn_of[line.key] = turn_of.get(line.key, -1) + 1
        turns += [[]] * (turn == len(turns))
        turns[turn] = [*turns[turn], line]
    return turns


def served(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[tuple[str, int], dict[str, list[float]]]:
    """By person and version of their profile what was predicted of each video."""
    recording = folder / "recording.jsonl"
    recording.touch()
    monkeypatch.setenv(FILE, str(recording))
    uploads = [line for line in log_lines() if line.topic is UPLOADS]
    with agents(settings, folder, "profiles", "encoder", "ranker"):
        publish(settings, UPLOADS, [(line.key.decode(), line.value) for line in uploads])
        wait_until("the videos are encoded", lambda: len(everything(settings, FEATURES)) >= len(uploads))
        for turn in rounds([line for line in log_lines() if line.topic is FEEDBACK]):
            sent = publish(settings, FEEDBACK, [(line.key.decode(), line.value) for line in turn])
            put = [*zip([line.key.decode() for line in turn], sent, strict=True)]
            wait_until("all is answered", lambda put=put: not unanswered(put, slates(settings)))
    rows = map(json.loads, recording.read_text("utf-8").splitlines())
    return {(row["user_id"], row["version"]): row["p"] for row in rows}


def test_what_is_served_is_what_is_evaluated(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "parameters.npz"
    learn_from(Settings(prefix=""), log_lines()).write(file)
    frozen = storage.read(str(file)).parameters
    feed = {"parameters": str(file), "feed": "tests.support.recording_feed:build"}
    known = served(settings.model_copy(update=feed), tmp_path, monkeypatch)
    versions, differences = versions_before(log_lines()), []
    learner = LogLearner(Settings(prefix=""), storage.read(str(file)).parameters)
    for batch in learner.batches(log_lines()):
        expected = predict(frozen, as_served(batch.shown)).probability.tolist()
        for opened, chances in zip(batch.opened, expected, strict=True):
            version = versions[opened.example.place]
            if version and opened.example.is_first:
                found = known[opened.user_id, version][opened.example.video_id]
                differences.append(max(abs(a - b) for a, b in zip(found, chances, strict=True)))
    assert len(differences) > 100
    assert max(differences) < CLOSE
