"""What real workers serve on their port, beside what docs/metrics.md says."""

import json
from pathlib import Path

import pytest

from schemas.messages import feedback, videos
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, UPLOADS
from streams.worker.health import statuses
from tests.support.events import skipped, uploaded, watched
from tests.support.metrics import described, documented, get, sum_of
from tests.support.qdrant_stub import LOCAL_MODE, SILENCE, QdrantStub, aside
from tests.support.scraping import PORTS
from tests.support.system import agents, publish, slates, wait_until

ONLY_THEN = {  # and with a Qdrant server
    "freshet_waiting",
    "freshet_degraded_slates_total",
    "freshet_open_transaction_records",
    "freshet_index_up",
    "freshet_index_complete",
}


pytestmark = [pytest.mark.connected, *LOCAL_MODE]


def test_workers_serve_what_the_page_says_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"metrics_port": PORTS})
    names = ("profiles", "encoder", "ranker", "learner")
    with agents(settings, tmp_path, *names) as running:
        publish(settings, UPLOADS, [(f"v{n}", videos.encode(uploaded(f"v{n}"))) for n in range(4)])
        wait_until("all workers serve", lambda: len({one.metrics for one in statuses(settings)} - {""}) == len(names))
        urls = {one.agent: one.metrics for one in statuses(settings)}

        def page(agent: str) -> str:
            assert running.alive(), running.said(agent)
            return get(urls[agent])[1]

        wait_until("the catalogue is known", lambda: sum_of(page("ranker"), "freshet_catalogue_videos") == 4)
        events = [watched("ana", "v1"), skipped("ana", "v2"), watched("bo", "v2")]
        publish(settings, FEEDBACK, [(one.user_id, feedback.encode(one)) for one in events])
        publish(settings, FEEDBACK, [("ana", b"{")])
        wait_until("slates are counted", lambda: sum_of(page("ranker"), "freshet_slates_total") >= 2)
        wait_until("all is learned", lambda: sum_of(page("learner"), "freshet_learned_exposures_total") == 3)
        wait_until("a dead letter counts", lambda: sum_of(page("profiles"), "freshet_dead_letters_total") == 1)
        wait_until("all are ready", lambda: all(one.state == "ready" for one in statuses(settings)))
        pages = {agent: page(agent) for agent in names}
        ready, said = get(urls["ranker"].replace("/metrics", "/readyz"))
        assert (ready, json.loads(said)["state"]) == (200, "ready")
        assert get(urls["ranker"].replace("/metrics", "/livez"))[0] == 200

    found = {name: one for text in pages.values() for name, one in described(text).items()}
    expected = {name: (row.kind, row.labels) for name, row in documented().items()}
    assert {name: one for name, one in found.items() if expected.get(name) != one} == {}
    assert expected.keys() - found.keys() <= ONLY_THEN
    read = "freshet_records_read_total"
    assert sum_of(pages["profiles"], read, topic=FEEDBACK.full(settings.prefix)) == 4
    assert sum_of(pages["profiles"], "freshet_dead_letters_total", agent="profiles", reason="decode") == 1
    assert sum_of(pages["ranker"], "freshet_event_to_slate_seconds_count") == len(slates(settings))
    assert sum_of(pages["encoder"], "freshet_encoded_videos_total", modality="text") == 4
    assert sum_of(pages["encoder"], "freshet_model_info", part="moderation") == 1
    assert sum_of(pages["learner"], "freshet_learning_observed_total", outcome="finish") == 2
    assert sum_of(pages["profiles"], "freshet_lag_records") == 0


def test_an_index_that_is_complete_and_then_falls_silent_shows(settings: Settings, tmp_path: Path) -> None:
    with aside(QdrantStub()) as stub:
        settings = settings.model_copy(update={"metrics_port": PORTS, "qdrant_url": stub.url})
        with agents(settings, tmp_path, "encoder", "indexer", "ranker") as running:
            publish(settings, UPLOADS, [("v1", videos.encode(uploaded("v1")))])

            def index(agent: str, what: str) -> float | None:
                assert running.alive(), running.said(agent)
                urls = {one.agent: one.metrics for one in statuses(settings)}
                page = get(urls[agent])[1] if urls.get(agent) else ""
                return sum_of(page, what) if what in page else None

            for agent in ("indexer", "ranker"):
                for what in ("freshet_index_up", "freshet_index_complete"):
                    wait_until(f"{agent}: {what}", lambda a=agent, w=what: index(a, w) == 1)  # type: ignore[misc]
            stub.always = SILENCE
            wait_until("slates do without it", lambda: index("ranker", "freshet_index_up") == 0)
