"""The feed that docs/extending.md shows, run live by the ranking agent on a real Kafka."""

from pathlib import Path

import msgspec
import pytest

from schemas.messages import feedback, videos
from schemas.settings.model import Settings
from schemas.topics import FEATURES, FEEDBACK, UPLOADS
from tests.support.documented_feed import CATEGORY_FEED, assert_documented, write_scripts
from tests.support.events import minute, uploaded, watched
from tests.support.system import agents, everything, publish, slates, unanswered, wait_until

pytestmark = pytest.mark.connected

VIDEOS = [
    uploaded(f"v{n:02}", minute(n), title=f"Lesson {n} on the violin", category="music" if n % 3 else "food")
    for n in range(30)
]


def test_the_ranking_agent_runs_the_documented_feed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scripts(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    settings = settings.model_copy(update={"feed": CATEGORY_FEED})
    with agents(settings, tmp_path, "profiles", "encoder", "ranker"):
        publish(settings, UPLOADS, [(one.video_id, videos.encode(one)) for one in VIDEOS])
        wait_until("the videos are encoded", lambda: len(everything(settings, FEATURES)) == len(VIDEOS))
        events = [watched("ana", f"v{n:02}", minute(60 + n), event_id=f"e{n}") for n in range(3)]
        sent = publish(settings, FEEDBACK, [("ana", feedback.encode(event)) for event in events])
        wait_until("every event is answered", lambda: not unanswered([("ana", one) for one in sent], slates(settings)))
        assert_documented([msgspec.to_builtins(slate) for slate in slates(settings)])
