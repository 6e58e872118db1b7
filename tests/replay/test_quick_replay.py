"""A replay that is quick: what is left out, put together or shared among processes changes no byte of the rest."""

import asyncio
import multiprocessing
import os
import struct
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pytest

from ranker.pipeline.types import Query, Slate
from schemas.messages.recommendations import Recommendation
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.logs.chosen import Chosen, Part
from streams.logs.fold import Fold
from streams.logs.jsonl import read_log
from streams.logs.parallel import Done, Job, _Running, joined, replay_parts
from streams.logs.replay import Outcome, Replay, replay_embedder
from tests.support.brokers import CACHE
from tests.support.replays import LOG, golden_lines, replayed, to_end, with_erasures


@pytest.fixture(scope="module")
def plain() -> tuple[Outcome, list[Recommendation]]:
    return replayed(golden_lines())


@pytest.fixture(scope="module")
def erasing() -> tuple[Outcome, list[Recommendation]]:
    return replayed(with_erasures())


def test_slates_of_several_ticks_are_computed_together() -> None:
    settings = Settings(cache_dir=CACHE.settings.cache_dir)
    run, together = Replay(settings, replay_embedder(settings)), list[int]()
    recommend = run.pipeline.recommend

    async def counted(queries: Sequence[Query]) -> list[Slate]:
        together.append(len({query.now_ms // 1000 for query in queries}))
        return await recommend(queries)

    run._rank_step._recommend = counted
    asyncio.run(to_end(run, golden_lines()))
    assert max(together) > 40


@pytest.mark.parametrize("workers", [2, 3])
def test_processes_that_each_rank_a_part_of_the_people_make_the_same_slates(
    erasing: tuple[Outcome, list[Recommendation]], workers: int
) -> None:
    settings = Settings(cache_dir=CACHE.settings.cache_dir)
    parts = [Replay(settings, replay_embedder(settings), part=Part(number, workers)) for number in range(workers)]
    slates = [asyncio.run(to_end(part, with_erasures())) for part in parts]
    outcome = joined([Done(part.outcome, part.slate_digests) for part in parts])
    assert outcome.figures() == erasing[0].figures()
    assert min(map(len, slates)) > 30
    assert sorted(chain(*slates), key=lambda slate: slate.trigger.offset) == erasing[1]


@pytest.mark.slow
def test_workers_write_the_same_file(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(with_erasures()))
    job = Job(Settings(cache_dir=CACHE.settings.cache_dir), log, Chosen(), batch=7)
    written = [list[bytes](), list[bytes]()]
    alone, two = (replay_parts(job, count, slates.append) for count, slates in zip((1, 2), written, strict=True))
    assert alone.figures() == two.figures()
    assert written[0] == written[1] and len(written[0]) == alone.slates


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    job = Job(Settings(cache_dir=tmp_path), LOG, Chosen())
    with pytest.raises(OperatorError, match="A process of the replay ended: ModelError: "):
        replay_parts(job, 2, print)


def test_a_process_that_is_killed_while_it_sends_ends_the_replay() -> None:
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    running = _Running(ours)
    os.write(theirs.fileno(), struct.pack("!i", 1000) + b"the rest never comes")
    theirs.close()
    with pytest.raises(OperatorError, match="it was killed"):
        list(running.slates())


@pytest.mark.parametrize("together", [1, 17, 50_000])
@pytest.mark.parametrize("restart_at", [None, 200])
def test_without_slates_the_profiles_are_the_same(
    erasing: tuple[Outcome, list[Recommendation]], together: int, restart_at: int | None
) -> None:
    outcome = Fold(Settings(), together).run(read_log(with_erasures()), restart_at)
    assert outcome.state_digest == erasing[0].state_digest
    assert outcome.events == erasing[0].events == outcome.without_slate.total()
    assert {name: outcome.figures()[name] for name in ("uploads", "erasures", "dead_letters", "repeats")} == {
        name: erasing[0].figures()[name] for name in ("uploads", "erasures", "dead_letters", "repeats")
    }


def test_who_is_not_chosen_gets_no_slate_and_changes_nobody_elses(plain: tuple[Outcome, list[Recommendation]]) -> None:
    settings, at = Settings(cache_dir=CACHE.settings.cache_dir), plain[1][100].trigger.at_ms
    until, people = at + 60_000, frozenset(slate.user_id for slate in plain[1][100:110])
    run = Replay(settings, replay_embedder(settings), has_slate=Chosen(at, 1.0, until, people))
    slates = asyncio.run(to_end(run, golden_lines()))
    wanted = [one for one in plain[1] if one.user_id in people and at <= one.trigger.at_ms < until]
    assert slates == wanted and 0 < len(wanted) < 240
    assert run.outcome.without_slate == {"not_chosen": 240 - len(wanted)}
    assert run.outcome.state_digest == plain[0].state_digest
