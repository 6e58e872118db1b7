"""Replay: the same log gives the same bytes, however it is computed."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ranker.pipeline.kernel import switch
from ranker.profile.erasure import GAP
from ranker.profile.model import Profile
from schemas.messages import feedback, videos
from schemas.messages.fields import DAY_MS
from schemas.messages.recommendations import Recommendation
from schemas.messages.videos import Upload
from schemas.settings.model import Settings
from streams.logs.jsonl import read_log
from streams.logs.replay import Outcome, Replay, replay_embedder
from tests.support.brokers import CACHE
from tests.support.events import minute, uploaded, watched, withdrew
from tests.support.paths import GOLDEN
from tests.support.replays import BACK, GONE, HALF, LOG, golden_lines, replayed, with_erasures

SLATES = GOLDEN / "slates.jsonl"  # person, version, videos in rank order with scores, as last looked at and found right
TOLERANCE = 1e-4  # of a score between machines


def encoded(*messages: feedback.Feedback | videos.Uploads) -> Iterator[bytes]:
    return (videos.encode(one) if isinstance(one, videos.Uploads) else feedback.encode(one) for one in messages)


@pytest.fixture(scope="module")
def learning() -> tuple[Outcome, list[Recommendation]]:
    return replayed(golden_lines(), learning=1)


@pytest.fixture(scope="module")
def plain() -> tuple[Outcome, list[Recommendation]]:
    return replayed(golden_lines())


def test_the_golden_log_gives_the_golden_slates(plain: tuple[Outcome, list[Recommendation]]) -> None:
    expected = [json.loads(line) for line in SLATES.read_bytes().splitlines()]
    assert len(plain[1]) == len(expected) == 240
    for slate, wanted in zip(plain[1], expected, strict=True):
        assert (slate.user_id, slate.version) == (wanted["user_id"], wanted["version"])
        assert [item.video_id for item in slate.items] == list(wanted["items"])
        assert [item.score for item in slate.items] == pytest.approx(list(wanted["items"].values()), abs=TOLERANCE)


@pytest.mark.parametrize(
    "how", [{"batch": 1}, {"batch": 500}, {"partitions": 1}, {"partitions": 8}, {"restart_at": 150}, {"restart_at": 61}]
)
def test_how_it_is_computed_changes_no_byte(plain: tuple[Outcome, list[Recommendation]], how: dict[str, int]) -> None:
    outcome, slates = replayed(golden_lines(), **how)
    assert (outcome.state_digest, outcome.slate_digest) == (plain[0].state_digest, plain[0].slate_digest)
    assert [slate.items for slate in slates] == [slate.items for slate in plain[1]]


def test_how_it_is_computed_changes_no_byte_with_the_text_model_for_many_languages(
    plain: tuple[Outcome, list[Recommendation]], multilingual_models: Path
) -> None:
    whole, slates = replayed(golden_lines(), text_model="multilingual")
    parts, others = replayed(golden_lines(), text_model="multilingual", batch=7, partitions=3, restart_at=150)
    assert whole.state_digest == parts.state_digest == plain[0].state_digest
    assert whole.slate_digest == parts.slate_digest != plain[0].slate_digest
    assert [slate.items for slate in slates] == [slate.items for slate in others]


@pytest.mark.skipif(not switch.IS_BUILT, reason="the kernel is not compiled here")
@pytest.mark.parametrize("how", [{"batch": 7}, {"learning": 1}])
def test_the_compiled_kernel_changes_no_byte(how: dict[str, int]) -> None:
    compiled = replayed(golden_lines(), kernel="auto", **how)
    assert switch.is_used()
    by_numpy = replayed(golden_lines(), kernel="off", **how)
    assert not switch.is_used()
    assert compiled[0].slate_digest == by_numpy[0].slate_digest
    assert compiled[1] == by_numpy[1]


@pytest.mark.parametrize("how", [{"batch": 1}, {"partitions": 1}, {"batch": 7, "partitions": 3, "restart_at": 150}])
def test_how_it_is_computed_changes_no_byte_where_it_learns(
    learning: tuple[Outcome, list[Recommendation]], how: dict[str, int]
) -> None:
    outcome, slates = replayed(golden_lines(), learning=1, **how)
    assert (outcome.state_digest, outcome.slate_digest) == (learning[0].state_digest, learning[0].slate_digest)
    assert [slate.models for slate in slates] == [slate.models for slate in learning[1]]


def test_what_is_learned_meanwhile_changes_slates_and_no_profile(
    plain: tuple[Outcome, list[Recommendation]], learning: tuple[Outcome, list[Recommendation]]
) -> None:
    assert learning[0].state_digest == plain[0].state_digest
    assert [slate.items for slate in learning[1]] != [slate.items for slate in plain[1]]
    learned = [slate.models["ranker"].split("-")[-1] for slate in learning[1]]
    assert learned[0] == "0" and int(learned[-1]) == max(map(int, learned)) > 1_600_000_000


@pytest.mark.slow
@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_the_hash_seed_changes_no_byte(plain: tuple[Outcome, list[Recommendation]], hash_seed: str) -> None:
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed, "FRESHET_CACHE_DIR": str(CACHE.settings.cache_dir)}
    command = [sys.executable, "-m", "streams.cli", "replay", str(LOG), "--json"]
    printed = subprocess.run(command, env=environ, capture_output=True, check=True).stdout
    told = json.loads(printed.splitlines()[-1])
    assert set(told) >= {"events", "slates", "dead_letters", "state_digest", "slate_digest", "seconds"}
    assert (told["state_digest"], told["slate_digest"]) == (plain[0].state_digest, plain[0].slate_digest)


def test_another_seed_draws_other_fresh_videos(plain: tuple[Outcome, list[Recommendation]]) -> None:
    outcome, _ = replayed(golden_lines(), seed=1)
    assert outcome.state_digest == plain[0].state_digest
    assert outcome.slate_digest != plain[0].slate_digest


def test_every_accepted_event_gets_one_slate_and_a_repeat_none() -> None:
    seen = [watched("ana", f"v{n}", minute(n), event_id=f"e{n}") for n in range(3)]
    uploads = [uploaded(f"v{n}", title=f"Title {n}", at_ms=minute(-1)) for n in range(5)]
    outcome, slates = replayed(encoded(*uploads, *seen, seen[1]))
    assert [slate.version for slate in slates] == [1, 2, 3]
    assert (outcome.events, outcome.repeats, outcome.dead_letters) == (4, 1, 0)


def test_every_event_has_a_slate_or_a_reason() -> None:
    early, gone = watched("ana", "x", minute(-9)), b'{"kind":"erasure","user_id":"ben","at_ms":%d}' % minute(3)
    one, two = (watched("ana", "y", minute(n), event_id=f"e{n}") for n in (1, 2))
    late, erased = watched("ana", "z", minute(0) - 9 * DAY_MS), watched("ben", "y", minute(2))
    last = watched("ana", "y", minute(9), event_id="e9")
    lines = [
        *encoded(early, uploaded("a", title="One"), one, one, two, late),
        gone,
        *encoded(erased, withdrew("a", minute(4)), last),
    ]
    outcome, slates = replayed(iter([*lines, b"not json"]))
    assert outcome.without_slate == {"no_video": 2, "repeat": 1, "late": 1, "erased": 1}
    assert outcome.events == len(slates) + outcome.without_slate.total() == 7
    assert (outcome.dead_letters, outcome.faults.reasons) == (3, {"decode": 1})


def test_a_log_that_goes_back_in_time_says_where_first() -> None:
    newest = watched("ana", "x", minute(5))
    outcome, slates = replayed(encoded(newest, uploaded("a", title="One"), watched("ana", "y", minute(1))))
    assert slates == []
    assert outcome.without_slate == {"no_video": 2}
    assert outcome.figures()["first_back_in_time"] == 2
    assert "first at line 2, in 2 lines, by 300 s at most" in next(outcome.notices())


def test_lines_that_cannot_be_used_are_counted_and_their_neighbours_go_on() -> None:
    late = watched("ana", "v1", minute(0) - 2 * DAY_MS, event_id="late")
    good = [watched("ana", "v1", minute(1), event_id="one"), watched("ana", "v2", minute(2), event_id="two")]
    lines = [*encoded(uploaded("v3"), good[0]), b"not json", *encoded(late, good[1])]
    outcome, slates = replayed(iter(lines))
    assert outcome.dead_letters == 2
    assert len(slates) == 2


def test_shared_state_moves_on_at_ticks_only() -> None:
    """A video of this very second is not in its slates; a second later it is."""
    at = minute(0)
    lines = encoded(
        uploaded("old", title="An old one", at_ms=at - 5000),
        uploaded("new", title="A new one", at_ms=at),
        watched("ana", "x", at, event_id="e1"),
        watched("ana", "y", at + 1000, event_id="e2"),
    )
    _, (first, second) = replayed(lines)
    assert [item.video_id for item in first.items] == ["old"]
    assert {item.video_id for item in second.items} == {"old", "new"}


def test_a_withdrawn_video_is_gone_at_the_next_tick() -> None:
    lines = encoded(
        uploaded("a", title="One"),
        uploaded("b", title="Two"),
        watched("ana", "x", minute(1), event_id="e1"),
        withdrew("a", minute(2)),
        watched("ana", "y", minute(3), event_id="e2"),
    )
    _, (first, second) = replayed(lines)
    assert {item.video_id for item in first.items} == {"a", "b"}
    assert {item.video_id for item in second.items} == {"b"}


@pytest.mark.parametrize("restart_at", [None, 5, 6])
def test_an_upload_older_than_the_withdrawal_by_more_than_clocks_differ_does_not_bring_a_video_back(
    restart_at: int | None,
) -> None:
    lines = encoded(
        uploaded("a", title="One"),
        uploaded("b", title="Two"),
        withdrew("a", minute(5)),
        uploaded("a", title="One, sent late", at_ms=minute(-1)),
        watched("ana", "x", minute(6), event_id="e1"),
        watched("ana", "y", minute(7), event_id="e2"),
    )
    _, slates = replayed(lines, restart_at)
    assert [{item.video_id for item in slate.items} for slate in slates] == [{"b"}, {"b"}]


@pytest.mark.parametrize("how", [{}, {"batch": 1}, {"partitions": 1}, {"restart_at": 5}])
def test_a_limit_ends_at_the_time_of_an_event(how: dict[str, int]) -> None:
    """A title of a toxicity between the two thresholds, limited for a day."""
    lines = [
        uploaded("a", title="One"),
        uploaded("rude", title="Ugly sweater"),
        watched("ana", "x", minute(1), event_id="e1"),
        watched("ana", "y", minute(0) + DAY_MS - 1, event_id="e2"),
        watched("ana", "z", minute(0) + DAY_MS, event_id="e3"),
    ]
    _, slates = replayed(encoded(*lines), limit_days=1, **how)
    assert [{item.video_id for item in slate.items} for slate in slates] == [{"a"}, {"a"}, {"a", "rude"}]
    _, for_good = replayed(encoded(*lines), **how)
    assert [{item.video_id for item in slate.items} for slate in for_good] == [{"a"}] * 3


def test_where_nothing_may_be_shown_no_slate_is_made() -> None:
    lines = encoded(uploaded("a", title="One"), withdrew("a", minute(1)), watched("ana", "x", minute(2)))
    outcome, slates = replayed(lines)
    assert (outcome.events, outcome.slates, slates) == (1, 0, [])


def test_slates_do_not_depend_on_where_events_were_read(plain: tuple[Outcome, list[Recommendation]]) -> None:
    """The slate digest leaves partition and offset out: empty lines move offsets and nothing else."""
    lines = LOG.read_bytes().splitlines()
    spread = [part for line in lines for part in (line, b"")]
    outcome, _ = replayed(iter(spread))
    assert outcome.slate_digest == plain[0].slate_digest


def test_the_golden_log_holds_what_it_says() -> None:
    kinds = [type(line.message) for line in read_log(golden_lines())]  # type: ignore[union-attr]
    assert (len(kinds), kinds.count(Upload)) == (300, 60)
    assert (
        hashlib.sha256(LOG.read_bytes()).hexdigest()
        == msgspec.json.decode((GOLDEN / "log.json").read_bytes())["sha256"]
    )


def test_an_erased_person_starts_again_above_every_version_given_out(
    plain: tuple[Outcome, list[Recommendation]], erasing: tuple[Outcome, list[Recommendation]]
) -> None:
    outcome, slates = erasing
    assert (outcome.events, outcome.erasures) == (plain[0].events, 3)
    of_back = [slate.version for slate in slates if slate.user_id == BACK]
    before = [version for version in of_back if version < GAP]
    assert of_back == [*range(1, len(before) + 1), *range(GAP + len(before) + 1, GAP + len(of_back) + 1)]
    assert 0 < len(before) < len(of_back)


def test_what_an_erasure_forgets_is_in_no_profile(erasing: tuple[Outcome, list[Recommendation]]) -> None:
    settings = Settings(cache_dir=CACHE.settings.cache_dir)
    run = Replay(settings, replay_embedder(settings))

    async def finish() -> dict[str, Profile]:
        async for _ in run.run(read_log(with_erasures())):
            pass
        return dict(run.profiles())

    profiles = asyncio.run(finish())
    since_ms = json.loads([*golden_lines()][HALF])["at_ms"]
    assert GONE not in profiles
    assert all(one.at_ms > since_ms for one in (*profiles[BACK].watches, *profiles[BACK].likes, *profiles[BACK].skips))
    assert run.outcome.state_digest == erasing[0].state_digest


@pytest.fixture(scope="module")
def erasing() -> tuple[Outcome, list[Recommendation]]:
    return replayed(with_erasures())


@pytest.mark.parametrize(
    "how",
    [{"batch": 1}, {"batch": 500}, {"partitions": 1}, {"partitions": 8}, {"restart_at": 200}, {"restart_at": 230}],
)
def test_erasures_replay_and_how_it_is_computed_changes_no_byte(
    erasing: tuple[Outcome, list[Recommendation]], how: dict[str, int]
) -> None:
    outcome, slates = replayed(with_erasures(), **how)
    assert (outcome.state_digest, outcome.slate_digest) == (erasing[0].state_digest, erasing[0].slate_digest)
    assert [slate.items for slate in slates] == [slate.items for slate in erasing[1]]
