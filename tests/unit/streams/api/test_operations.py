"""What operators are told: latency, rates, dead letters of the last day."""

import os
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from schemas.messages.dead_letters import Handled
from streams.api.clock import now_ms
from streams.api.operations import dead_letters
from streams.api.operations.dead_letters import HOUR_MS, RecentDeadLetters, count_up_to, shown
from streams.api.operations.latency import BOUNDS_MS, KEPT, LATE_MS, Latencies
from streams.api.operations.rates import WINDOW_S, Rates
from streams.api.slate_store import slates_in
from streams.dead_letters.store import StoredDeadLetter
from streams.kafka.records import Record
from streams.worker.health import Status, status_folder
from tests.support.api import Api, record, slate
from tests.support.events import NOON


def dead_letter(reason: str, written_ms: int, offset: int = 0, value: bytes = b"{}") -> StoredDeadLetter:
    return StoredDeadLetter(0, offset, written_ms, reason, "why", "freshet.feedback.v1", "[0]@7", 1, b"\xff", value, ())


def latencies_of(found: Sequence[int]) -> Latencies:
    made = Latencies()
    for one in found:
        made.add(NOON + one, NOON)
    return made


def test_latency_is_told_by_quantiles_and_a_cumulative_histogram() -> None:
    told = latencies_of([*range(1, 101)]).summary()
    assert (told.p50, told.p99) == (50, 99)
    assert told.histogram[:4] == [(10, 10), (20, 20), (50, 50), (100, 100)]
    assert told.histogram[-1] == (None, 100) and len(told.histogram) == len(BOUNDS_MS) + 1


def test_latency_of_nothing_is_none_and_a_clock_ahead_counts_as_no_time() -> None:
    assert latencies_of([]).summary().p50 is None and latencies_of([]).summary().histogram[-1] == (None, 0)
    assert latencies_of([-50]).summary().p99 == 0


def test_events_that_were_published_late_are_only_counted() -> None:
    told = latencies_of([30, LATE_MS, LATE_MS + 1, 86_400_000]).summary()
    assert (told.p50, told.p99, told.late, told.histogram[-1]) == (30, LATE_MS, 2, (None, 2))


def test_latency_goes_by_the_newest_slates() -> None:
    assert latencies_of([9_000] * 10 + [5] * KEPT).summary().p99 == 5


def test_rates_are_those_of_the_last_half_minute() -> None:
    rates = Rates()
    assert rates.by_topic() == {}
    rates.add(0.0, {("a", 0): 10_000, ("a", 1): 0})
    rates.add(100.0, {("a", 0): 10_000, ("a", 1): 0, ("b", 0): 5})
    rates.add(100.0 + WINDOW_S, {("a", 0): 10_030, ("a", 1): 30, ("b", 0): 5})
    assert rates.by_topic() == {"a": 2.0, "b": 0.0}
    rates.add(101.0 + WINDOW_S, {("a", 0): 0, ("a", 1): 30})  # made again
    assert rates.by_topic()["a"] >= 0


def test_dead_letters_are_counted_for_a_day() -> None:
    recent = RecentDeadLetters()
    recent.add(
        [dead_letter("schema", NOON), dead_letter("schema", NOON, 1), dead_letter("late", NOON + 5 * HOUR_MS, 2)]
    )
    assert recent.by_reason(NOON) == {"schema": 2, "late": 1} and recent.read == {0: 3}
    assert recent.by_reason(NOON + 25 * HOUR_MS) == {"late": 1}
    assert recent.by_reason(NOON + 48 * HOUR_MS) == {}


def mark(reason: str, written_ms: int, offset: int) -> Handled:
    return Handled(partition=0, offset=offset, written_ms=written_ms, reason=reason, done="discarded")


def test_dead_letters_that_were_dealt_with_are_not_counted() -> None:
    recent, marks = RecentDeadLetters(), [mark("schema", NOON, 0), mark("late", NOON, 2)]
    recent.add([dead_letter("schema", NOON), dead_letter("schema", NOON, 1)])
    recent.settle([*marks, *marks])  # a mark twice, and one of a letter that is read later
    assert recent.by_reason(NOON) == {"schema": 1}
    recent.add([dead_letter("late", NOON, 2), dead_letter("late", NOON, 3)])
    assert recent.by_reason(NOON) == {"schema": 1, "late": 1}


def test_a_mark_of_a_letter_that_was_never_counted_takes_nothing_away() -> None:
    recent = RecentDeadLetters()
    recent.add([dead_letter("schema", NOON, 5)])
    recent.settle([mark("schema", NOON, 4)])
    assert recent.by_reason(NOON) == {"schema": 1}
    recent.settle([mark("schema", NOON, 5)])
    assert recent.by_reason(NOON) == {}


def test_a_dead_letter_is_shown_by_its_first_bytes() -> None:
    told = shown(dead_letter("schema", NOON, value=b"\xc3\x28" + b"x" * 1000))
    assert told.value.startswith("�(xxx") and len(told.value) == 256 and told.bytes == 1002 and told.key == "�"


async def test_the_status_tells_latency_versions_and_the_catalogue(api: Api) -> None:
    began = now_ms()
    observe = api.operations.observer(began)
    observe(slates_in([record("ana", slate("ana")), record("ben", None), record("eve", b"garbage")]))
    observe(slates_in([record("old", slate("old"))._replace(timestamp=began - 1)]))
    told = (await api.http.get("/v1/status")).json()
    assert told["latency_ms"]["histogram"][-1] == [None, 1]
    assert told["model"]["policy"].startswith("home@") and told["catalogue"] == {"is_read": True, "videos": 0}
    assert "quality" not in told["model"]  # no learner of this machine has met anything
    assert told["workers"] == [] and told["dead_letters"] == {} and told["rates"] == {}
    api.catalogue.is_read = False
    told = (await api.http.get("/v1/status")).json()
    assert told["model"] == {} and not told["catalogue"]["is_read"]


async def test_the_status_tells_how_good_predictions_are_by_the_learner_that_learns_and_slates(
    api: Api,
) -> None:
    folder = status_folder(api.settings)
    folder.mkdir(parents=True)
    common: dict[str, Any] = {"agent": "learner", "pid": os.getpid(), "state": "ready"}
    found = (
        Status(**common, at_ms=3, quality={"auc_finish": 0.5}),  # its partition was taken away
        Status(**common, at_ms=2, quality={"auc_finish": 0.75}, lag={"freshet.examples.v1[0]": 0}),
        Status(**common, at_ms=4, lag={"freshet.examples.v1[0]": 0}),  # it has met nothing yet
    )
    of_slates = {"diversity": 0.5, "exploration": 0.1}
    ranker = Status(**{**common, "agent": "ranker"}, at_ms=1, quality=of_slates, lag={"freshet.profiles.v1[0]": 0})
    for number, one in enumerate(found := (*found, ranker)):
        (folder / f"{one.agent}-{number}.json").write_bytes(msgspec.json.encode(one))
    told = (await api.http.get("/v1/status")).json()
    assert told["model"]["quality"] == {"auc_finish": 0.75, **of_slates} and told["model"]["policy"].startswith("home@")
    assert [one["quality"] for one in told["workers"]] == [one.quality for one in found]


async def test_dead_letters_are_told_newest_first_and_by_reason(api: Api) -> None:
    api.dead_letters += [
        dead_letter("schema", NOON),
        dead_letter("late", NOON + 2, 1),
        dead_letter("schema", NOON + 1, 2),
    ]
    told = (await api.http.get("/v1/dead-letters?limit=2")).json()
    assert [one["offset"] for one in told["dead_letters"]] == [1, 2] and not told["complete"]
    told = (await api.http.get("/v1/dead-letters?reason=schema")).json()
    assert [one["offset"] for one in told["dead_letters"]] == [2, 0]


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 501}, {"limit": "many"}, {"reason": "sadness"}])
async def test_a_bad_question_about_dead_letters_is_refused(api: Api, params: dict[str, str]) -> None:
    answer = await api.http.get("/v1/dead-letters", params=params)
    assert answer.status_code == 422 and answer.json()["detail"].startswith("query ")


async def test_of_a_topic_that_was_made_again_what_is_new_is_read_from_its_beginning(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[int, int]] = []

    async def nothing(
        settings: object, topic: str, starts: dict[int, int], ends: dict[int, int]
    ) -> AsyncIterator[list[Record]]:
        asked.append(starts)
        yield []

    monkeypatch.setattr(dead_letters, "read_from", nothing)
    recent = RecentDeadLetters()
    recent.read.update({0: 5, 1: 7, 2: 4})
    await count_up_to(api.settings, recent, {0: 9, 1: 3, 2: 4, 3: 8})
    assert asked == [{0: 5, 1: 0}] and recent.read == {0: 9, 1: 3, 2: 4}


async def test_what_is_dealt_with_on_a_topic_that_was_made_again_is_not_counted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(*_: object) -> AsyncIterator[list[Record]]:
        yield [Record("dead-letters.v1", 0, 0, NOON + 1, None, b"{}", (("reason", b"late"),))]

    monkeypatch.setattr(dead_letters, "read_from", found)
    recent = RecentDeadLetters()
    recent.add([dead_letter("schema", NOON, 5)])
    await count_up_to(api.settings, recent, {0: 1})  # it ended at 6
    assert recent.by_reason(NOON) == {"late": 1, "schema": 1}
    recent.settle([mark("late", NOON + 1, 0)])
    assert recent.by_reason(NOON) == {"schema": 1}
