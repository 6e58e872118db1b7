"""What the API tells operators, as types: the OpenAPI document takes their schemas."""

from typing import Any

import msgspec


class DeadLetterAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter: where it lies, what it was and why, and the first bytes of key and value as text.

    place  partition and offset of the original
    bytes  of the value that are kept
    """

    partition: int
    offset: int
    written_ms: int
    reason: str
    detail: str
    topic: str
    place: str
    attempts: int
    key: str | None
    value: str
    bytes: int


class DeadLettersAnswer(msgspec.Struct, frozen=True):
    """Dead letters, newest first; `complete` is false where older ones were not looked at."""

    dead_letters: list[DeadLetterAnswer]
    complete: bool


class LatencyAnswer(msgspec.Struct, frozen=True):
    """From an event to its slate, ms, of the newest 10,000 slates; null where there was none.

    histogram  pairs: how many took so many ms at most; the last bound is null and has all
    late       slates of events that were published more than ten minutes late, which are in none of the others
    """

    p50: int | None
    p99: int | None
    histogram: list[tuple[int | None, int]]
    late: int


class CatalogueAnswer(msgspec.Struct, frozen=True):
    """Whether the catalogue is read, and how many videos may be shown."""

    is_read: bool
    videos: int


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How the installation is doing.

    workers       status files of this machine's workers
    dead_letters  of the last 24 hours by reason
    rates         records a second by topic over the last half minute
    model         versions of what makes slates, once the catalogue is read; `quality` has how good the predictions of
                  the newest exposures are, where a learner of this machine has met some: `auc_finish`,
                  `log_loss_finish` (nats), `calibration_finish` (observed by expected), and so of each outcome; where a
                  ranker of this machine has made slates, their `diversity` (1 less the mean cosine of two videos) and
                  `exploration` (share of places that were drawn)
    """

    workers: list[dict[str, Any]]
    dead_letters: dict[str, int]
    rates: dict[str, float]
    latency_ms: LatencyAnswer
    model: dict[str, str | dict[str, float]]
    catalogue: CatalogueAnswer


TYPES = (DeadLettersAnswer, StatusAnswer)
