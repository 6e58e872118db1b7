"""What is counted, how it is served, and that the page says the same."""

import json
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from faust.types import TP

from schemas.settings.load import SettingsError, load
from schemas.settings.ports import ports
from streams.errors import OperatorError
from streams.kafka.poll import Poll
from streams.kafka.records import Record
from streams.metrics import exposition, server
from streams.metrics.measures import Distribution, Measures, one
from streams.metrics.polls import observe_poll
from streams.metrics.table import TABLE
from tests.support.metrics import described, documented, faults, get, page_of, sum_of

FRESHET = {name: row for name, row in documented().items() if name.startswith("freshet_")}


@pytest.fixture
def served() -> Iterator[tuple[Measures, server.MetricsServer]]:
    measures = Measures()
    well = {"/readyz": False}
    running = server.MetricsServer(
        "127.0.0.1",
        ports("19464-19663"),
        exposition.registry_of(measures),
        lambda: (True, {}),
        lambda: (well["/readyz"], {"state": "recovering"}),
    )
    running.start()
    yield measures, running
    running.close()


def test_the_page_names_every_metric_with_its_type_labels_and_meaning() -> None:
    assert {metric.name: (metric.kind, frozenset(metric.labels), metric.meaning) for metric in TABLE} == FRESHET


def test_what_is_served_of_each_metric_is_what_the_table_says() -> None:
    measures = Measures()
    for metric in TABLE:
        labels = dict.fromkeys(metric.labels, "x")
        if metric.kind == "counter":
            measures.count(metric.name, 2, **labels)
        elif metric.kind == "histogram":
            measures.observe(metric.name, [0.1, 7.0], **labels)
        else:
            measures.gauge(metric.name, lambda metric=metric: [(("x",) * len(metric.labels), 3.0)])
    found = described(page_of(measures))
    assert {name: found[name] for name in FRESHET} == {name: (one.kind, one.labels) for name, one in FRESHET.items()}
    assert found.keys() == documented().keys()


def test_no_metric_is_labelled_by_people_or_videos() -> None:
    assert {label for metric in TABLE for label in metric.labels} & {"user", "user_id", "video", "video_id"} == set()


def test_a_batch_lands_in_the_buckets_that_single_values_would_land_in() -> None:
    rng = np.random.default_rng(7)
    values = np.concatenate([rng.exponential(1.0, 500), [0.1, 0.5, 2.0]])
    together, alone = Distribution((0.1, 0.5, 2.0)), Distribution((0.1, 0.5, 2.0))
    together.add(values)
    for value in values:
        alone.add([value])
    assert together.counts == alone.counts
    assert np.cumsum(together.counts).tolist() == [*((values <= bound).sum() for bound in (0.1, 0.5, 2.0)), len(values)]
    assert together.total == pytest.approx(alone.total)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("freshet_unknown_total", {}),
        ("freshet_batch_records", {"agent": "x"}),  # a histogram is not counted
        ("freshet_records_read_total", {"agent": "x"}),
        ("freshet_records_read_total", {"agent": "x", "user": "ana"}),
    ],
)
def test_what_the_table_does_not_name_is_not_counted(name: str, labels: dict[str, str]) -> None:
    with pytest.raises(KeyError):
        Measures().count(name, **labels)


def test_records_of_a_poll_are_counted_by_topic_with_their_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 100.0)
    records = [Record("feedback.v1", 1, n, 100_000 - age, None, b"") for n, age in enumerate((20, 3000, -5))]
    measures = Measures()
    observe_poll(measures, "profiles", Poll({TP("feedback.v1", 1): records}, None, print))  # type: ignore[arg-type]
    page = page_of(measures)
    assert sum_of(page, "freshet_records_read_total", agent="profiles", topic="feedback.v1") == 3
    assert sum_of(page, "freshet_record_age_seconds_bucket", topic="feedback.v1", le="0.05") == 2
    assert sum_of(page, "freshet_record_age_seconds_sum") == pytest.approx(3.02)
    assert sum_of(page, "freshet_batch_records_bucket", le="2.0") == 0


def test_one_port_has_metrics_life_and_readiness(served: tuple[Measures, server.MetricsServer]) -> None:
    measures, running = served
    measures.gauge("freshet_catalogue_videos", one(lambda: 12))
    status, page = get(running.url)
    assert (status, sum_of(page, "freshet_catalogue_videos")) == (200, 12)
    base = running.url.removesuffix("/metrics")
    assert get(f"{base}/livez")[0] == 200
    status, said = get(f"{base}/readyz")
    assert (status, json.loads(said)) == (503, {"state": "recovering"})
    assert get(f"{base}/else")[0] == 404


def test_a_gauge_that_cannot_be_read_costs_one_scrape(served: tuple[Measures, server.MetricsServer]) -> None:
    measures, running = served
    reads = iter([ZeroDivisionError, None])

    def read() -> float:
        if error := next(reads):
            raise error
        return 1.0

    measures.gauge("freshet_catalogue_videos", one(read))
    measures.count("freshet_slates_total", 3)
    assert get(running.url)[0] == 500
    assert sum_of(get(running.url)[1], "freshet_slates_total") == 3


def test_a_taken_port_is_one_sentence_and_a_range_has_a_next_one(
    served: tuple[Measures, server.MetricsServer],
) -> None:
    _, running = served
    asked = (exposition.registry_of(Measures()), lambda: (True, {}), lambda: (True, {}))
    with pytest.raises(OperatorError, match=rf"cannot be served at 127.0.0.1:{running.port}: address already in use\."):
        server.MetricsServer("127.0.0.1", range(running.port, running.port + 1), *asked)
    second = server.MetricsServer("127.0.0.1", range(running.port, running.port + 100), *asked)
    assert second.port > running.port
    ports_text = f"127.0.0.1, ports {running.port} to {second.port}: address already in use"
    with pytest.raises(OperatorError, match=ports_text):
        server.MetricsServer("127.0.0.1", range(running.port, second.port + 1), *asked)
    second._server.server_close()


def test_an_address_in_brackets_is_that_address() -> None:
    asked = (exposition.registry_of(Measures()), lambda: (True, {}), lambda: (True, {}))
    running = server.MetricsServer("[127.0.0.1]", ports("19464-19663"), *asked)
    assert running._server.server_address[0] == "127.0.0.1"
    running._server.server_close()


@pytest.mark.parametrize("text", ["metrics", "70000", "-1", "9-5", "0-9", "9464,9465"])
def test_what_is_no_port_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match=r"FRESHET_METRICS_PORT.*9464-9563"):
        load({}, {"FRESHET_METRICS_PORT": text}, None)


def test_promtool_accepts_every_metric_of_the_table() -> None:
    measures = Measures()
    for metric in TABLE:
        labels = dict.fromkeys(metric.labels, "one")
        if metric.kind == "counter":
            measures.count(metric.name, 1.0, **labels)
        elif metric.kind == "histogram":
            measures.observe(metric.name, [0.1], **labels)
        else:
            measures.gauge(metric.name, partial(list, [(tuple(labels.values()), 1.0)]))
    page = page_of(measures)
    assert described(page).keys() >= FRESHET.keys()
    assert faults({"all": page}) == {}
