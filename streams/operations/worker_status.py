"""How the workers of this machine are doing: their status files, and what those that serve metrics say beside."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from ranker.profile.outcomes import HEADS
from schemas.settings.model import Settings
from streams.metrics.table import SLATE_S
from streams.worker.health import Status, is_silent, statuses

SCRAPE_LIMIT_S = 1.0
READ, SLATES, LATENCY = "freshet_records_read_total", "freshet_slates_total", "freshet_event_to_slate_seconds_bucket"
LAST_MS = 1000 * SLATE_S[-1]
SHOWN = f"auc_{HEADS[0]}"  # of the learner; `--json` has its other figures too

HEADINGS = (
    *("agent", "process", "state", "waits for", "lag", "in flight"),
    *("read/s", "slates", "p50 ms", "p99 ms", "AUC", "metrics"),
)

Buckets = dict[float, float]  # how many observations were at most so much, by upper bound


class Counts(msgspec.Struct, frozen=True):
    """What a worker has counted since its start.

    latency_s  of event to slate
    """

    at_s: float
    read: float
    slates: float | None
    latency_s: Buckets


class Row(msgspec.Struct, frozen=True):
    """One worker at one moment; None is what it does not say.

    read_per_s, p50_ms, p99_ms  since the look before, or since its start where there was none
    """

    status: Status
    is_silent: bool
    read_per_s: float | None = None
    slates: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None


class Watcher:
    """Looks at all workers again and again; rates are of what came between two looks."""

    def __init__(
        self,
        settings: Settings,
        fetch: Callable[[str], str] | None = None,
        read: Callable[[Settings], Sequence[Status]] = statuses,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._fetch, self._read, self._now_s = settings, fetch or fetch_metrics, read, now_s
        self._before: dict[int, Counts] = {}  # by process

    def look(self) -> list[Row]:
        """One row a worker, in the order of their names."""
        return [self._row(status) for status in self._read(self._settings)]

    def _row(self, status: Status) -> Row:
        now_s = self._now_s()
        silent = is_silent(status, 1000 * now_s)
        text = self._fetch(status.metrics) if status.metrics else ""
        if not text:
            return Row(status, silent)
        counts, before = counts_of(text, now_s), self._before.get(status.pid)
        self._before[status.pid] = counts
        buckets = since(before.latency_s if before else {}, counts.latency_s)
        p50_s, p99_s = quantile(buckets, 0.5), quantile(buckets, 0.99)
        return Row(
            status,
            silent,
            read_per_s=(counts.read - before.read) / (now_s - before.at_s) if before and now_s > before.at_s else None,
            slates=counts.slates,
            p50_ms=None if p50_s is None else 1000 * p50_s,
            p99_ms=None if p99_s is None else 1000 * p99_s,
        )


def fetch_metrics(url: str) -> str:
    """What a worker serves; empty where it does not answer in time."""
    try:
        answer = httpx.get(url, timeout=SCRAPE_LIMIT_S, trust_env=False)
        return answer.text if answer.is_success else ""
    except httpx.HTTPError:
        return ""


def counts_of(text: str, at_s: float) -> Counts:
    """The counts on a page of metrics."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    buckets = {float(s.labels["le"]): s.value for s in samples if s.name == LATENCY}
    read = sum(s.value for s in samples if s.name == READ)
    slates = [s.value for s in samples if s.name == SLATES]
    return Counts(at_s, read, sum(slates) if slates else None, buckets)


def since(before: Mapping[float, float], now: Mapping[float, float]) -> Buckets:
    """What was observed between two looks; all where nothing was, so that a quiet worker shows its last figures."""
    new = {bound: count - before.get(bound, 0.0) for bound, count in now.items()}
    return new if any(new.values()) else dict(now)


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The value that so large a share of observations is at most, by straight lines inside buckets; None without any.

    >>> quantile({1.0: 10, 2.0: 20, float("inf"): 20}, 0.75), quantile({float("inf"): 0}, 0.5)
    (1.5, None)
    """
    total = buckets.get(math.inf, 0.0)
    if not total:
        return None
    low, below = 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if count >= share * total:
            return low if math.isinf(bound) else low + (bound - low) * (share * total - below) / (count - below)
        low, below = bound, count
    return low


def cells(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """The rows as text, below `HEADINGS`."""
    return [
        (
            row.status.agent,
            str(row.status.pid),
            "silent" if row.is_silent else row.status.state,
            ", ".join(row.status.waits_for),
            f"{sum(row.status.lag.values()):,}",
            f"{row.status.in_flight:,}",
            _number(row.read_per_s),
            _number(row.slates),
            _latency(row.p50_ms),
            _latency(row.p99_ms),
            f"{row.status.quality[SHOWN]:.3f}" if SHOWN in row.status.quality else "",
            row.status.metrics,
        )
        for row in rows
    ]


def as_json(row: Row) -> dict[str, object]:
    """A row as `--json` prints it."""
    fields: dict[str, object] = msgspec.to_builtins(row.status)
    figures = {name: getattr(row, name) for name in ("read_per_s", "slates", "p50_ms", "p99_ms")}
    return {**fields, "silent": row.is_silent, **figures}


def _latency(ms: float | None) -> str:
    """Milliseconds; beyond the last bucket that alone: such slates are of old events, and nothing more is known."""
    return f">{LAST_MS:,.0f}" if ms is not None and ms >= LAST_MS else _number(ms)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
