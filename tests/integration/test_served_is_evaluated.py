"""What slates on a real Kafka say of a video is what the evaluation of the same log predicts of the exposure to it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from ranker.evaluation.served import as_served
from ranker.learning import storage
from ranker.learning.model import predict
from schemas.messages import feedback
from schemas.messages.feedback import Feedback
from schemas.settings.model import Settings
from schemas.topics import FEATURES, FEEDBACK, UPLOADS
from streams.logs.convert.kuairand import convert_kuairand
from streams.logs.jsonl import Line, read_log
from streams.operations.log_learner import LogLearner
from streams.operations.train_ranking import learn_from
from tests.support.paths import DATA, GOLDEN
from tests.support.recording_feed import FILE
from tests.support.system import agents, everything, publish, slates, unanswered, wait_until

pytestmark = [pytest.mark.connected, pytest.mark.slow]

LOG = GOLDEN / "log.jsonl"
CLOSE = 1e-4
SURFACES = ("feed", "search")
KUAIRAND = DATA / "kuairand-pure"
PEOPLE, EVENTS = 30, 20  # and of each so many, that is all that a test has time for


@pytest.fixture(params=["golden", "kuairand"])
def lines(request: pytest.FixtureRequest, tmp_path: Path) -> list[Line]:
    """A log whose lines are numbered from 0."""
    found = on_two_surfaces(lines_of(LOG)) if request.param == "golden" else of_kuairand(tmp_path / "kuairand.jsonl")
    return [line._replace(number=number) for number, line in enumerate(found)]


def lines_of(log: Path) -> list[Line]:
    found = [*read_log(iter(log.read_bytes().splitlines()))]
    assert all(isinstance(line, Line) for line in found)
    return [line for line in found if isinstance(line, Line)]


def on_two_surfaces(lines: Iterable[Line]) -> Iterator[Line]:
    for line in lines:
        if line.topic is FEEDBACK:
            message = replace(line.message, surface=SURFACES[line.number // 5 % 2])
            yield line._replace(message=message, value=feedback.encode(message))
        else:
            yield line


def of_kuairand(file: Path) -> list[Line]:
    """The first events of the people who did most early on, and the uploads of what they met."""
    if not KUAIRAND.is_dir():
        pytest.skip("KuaiRand is not there")
    convert_kuairand(KUAIRAND, file, 6000)
    found, counts = lines_of(file), Counter[bytes]()
    for line in found:
        counts[line.key] += line.topic is FEEDBACK
    people = {key for key, _ in counts.most_common(PEOPLE)}
    events = [line for line in found if line.key in people]
    turn = dict(zip((line.number for line in events), turns_of(events), strict=True))
    events = [line for line in events if turn[line.number] < EVENTS]
    met = {line.message.video_id for line in events if isinstance(line.message, Feedback)}
    uploads = [line for line in found if line.topic is UPLOADS and line.key.decode() in met]
    return [*uploads, *events]


def turns_of(lines: Iterable[Line]) -> Iterator[int]:
    """How many events of its person came before each."""
    counts = Counter[bytes]()
    for line in lines:
        yield counts[line.key]
        counts[line.key] += 1


def versions_before(lines: list[Line]) -> dict[int, int]:
    """By number of a line the version of its person's profile before it."""
    events = [line for line in lines if line.topic is FEEDBACK]
    return dict(zip((line.number for line in events), turns_of(events), strict=True))


def rounds(lines: list[Line]) -> list[list[Line]]:
    """Each person's events one after the other: none of them shares a slate with the next."""
    found = defaultdict[int, list[Line]](list)
    for turn, line in zip(turns_of(lines), lines, strict=True):
        found[turn].append(line)
    return [*found.values()]


def served(
    lines: list[Line], settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[tuple[str, int], dict[str, list[float]]]:
    """By person and version of their profile what was predicted of each video."""
    recording = folder / "recording.jsonl"
    recording.touch()
    monkeypatch.setenv(FILE, str(recording))
    uploads = [line for line in lines if line.topic is UPLOADS]
    with agents(settings, folder, "profiles", "encoder", "ranker"):
        publish(settings, UPLOADS, [(line.key.decode(), line.value) for line in uploads])
        wait_until("the videos are encoded", lambda: len(everything(settings, FEATURES)) >= len(uploads))
        for turn in rounds([line for line in lines if line.topic is FEEDBACK]):
            sent = publish(settings, FEEDBACK, [(line.key.decode(), line.value) for line in turn])
            put = [*zip([line.key.decode() for line in turn], sent, strict=True)]
            wait_until("all is answered", lambda put=put: not unanswered(put, slates(settings)))
    rows = map(json.loads, recording.read_text("utf-8").splitlines())
    return {(row["user_id"], row["version"]): row["p"] for row in rows}


def test_what_is_served_is_what_is_evaluated(
    lines: list[Line], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "parameters.npz"
    learn_from(Settings(prefix=""), lines).write(file)
    frozen = storage.read(str(file)).parameters
    feed = {"parameters": str(file), "feed": "tests.support.recording_feed:build"}
    known = served(lines, settings.model_copy(update=feed), tmp_path, monkeypatch)
    versions, differences = versions_before(lines), []
    learner = LogLearner(Settings(prefix=""), storage.read(str(file)).parameters)
    for batch in learner.batches(lines):
        expected = predict(frozen, as_served(batch.shown)).probability.tolist()
        for opened, chances in zip(batch.opened, expected, strict=True):
            version = versions[opened.example.place]
            if version and opened.example.is_first:
                found = known[opened.user_id, version][opened.example.video_id]
                differences.append(max(abs(a - b) for a, b in zip(found, chances, strict=True)))
    assert len(differences) > 100
    assert max(differences) < CLOSE
