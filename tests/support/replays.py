"""Replays of the golden log in this process."""

import asyncio
import json
from collections.abc import Iterator

from encoders.base import TextModelName
from schemas.messages.recommendations import Recommendation
from streams.logs.jsonl import read_log
from streams.logs.replay import Outcome, Replay, replay_embedder
from tests.support.brokers import CACHE
from tests.support.paths import GOLDEN

LOG = GOLDEN / "log.jsonl"  # 60 uploads and 240 events of ranker.simulation.world with seed 7


def replayed(
    lines: Iterator[bytes],
    restart_at: int | None = None,
    kernel: str = "auto",
    text_model: TextModelName = "minilm",
    **how: int,
) -> tuple[Outcome, list[Recommendation]]:
    """Run a log; `how` is batch, partitions or seed, and whether it learns."""
    batch, learning = how.pop("batch", 64), bool(how.pop("learning", 0))
    settings = CACHE.settings.model_copy(update={**how, "kernel": kernel, "text_model": text_model})
    run = Replay(settings, replay_embedder(settings), batch=batch, learning=learning)

    async def collect() -> list[Recommendation]:
        return [slate async for slate in run.run(read_log(lines), restart_at)]

    return run.outcome, asyncio.run(collect())


async def to_end(run: Replay, lines: Iterator[bytes]) -> list[Recommendation]:
    return [slate async for slate in run.run(read_log(lines))]


def golden_lines() -> Iterator[bytes]:
    return iter(LOG.read_bytes().splitlines())


HALF, BACK, GONE = 180, "p002", "p010"  # both are active before and after line 180


def with_erasures() -> Iterator[bytes]:
    """The golden log, in which two people are erased halfway, and one of them once more at the end."""
    lines = [*golden_lines()]
    times = [json.loads(line)["at_ms"] for line in lines]
    erased = [(BACK, times[HALF]), (GONE, times[HALF]), (GONE, times[-1])]
    first, second, last = (b'{"kind":"erasure","user_id":"%b","at_ms":%d}' % (who.encode(), at) for who, at in erased)
    return iter([*lines[:HALF], first, second, *lines[HALF:], last])
