"""Slates of a replay in a file: JSON Lines, also packed, or Parquet with a row for each item."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from schemas.messages.recommendations import Recommendation, decode_recommendation
from streams.errors import OperatorError

if TYPE_CHECKING:
    from types import ModuleType

ROW_GROUP = 100_000  # items in one part of a Parquet file; a guess

Write = Callable[[bytes], object]  # takes a slate as JSON, without the end of the line


@contextmanager
def slate_file(path: Path) -> Iterator[Write]:
    """A file for slates, in the form that its name says: .parquet, .zst, .gz, or else plain JSON Lines."""
    is_special = path.exists() and not path.is_file()  # a pipe, or what stands for the terminal
    # an interrupted file must not pass for a whole one
    unfinished = path if is_special else path.with_name(f"{path.stem}.part{path.suffix}")
    with ExitStack() as opened:
        if path.suffix == ".parquet":
            yield opened.enter_context(_parquet(unfinished))
        else:
            file = opened.enter_context(_lines(unfinished))
            yield lambda slate: file.write(slate + b"\n")
    if not is_special:
        unfinished.replace(path)


def _lines(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "wb"))
    if path.suffix == ".zst":
        return cast(IO[bytes], _pyarrow(".zst").output_stream(str(path), compression="zstd"))
    return path.open("wb")


def _pyarrow(what: str) -> "ModuleType":
    try:
        import pyarrow  # an optional dependency
    except ImportError as error:
        remedy = "Write .jsonl or .jsonl.gz, or install it with: pip install 'freshet[data]'"
        raise OperatorError(f"Writing {what} needs pyarrow.", remedy) from error
    return cast("ModuleType", pyarrow)


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    _pyarrow(".parquet")
    import pyarrow as arrow
    from pyarrow.parquet import ParquetWriter

    schema = arrow.schema(
        [
            ("line", arrow.int64()), ("user_id", arrow.string()), ("version", arrow.int64()), ("at_ms", arrow.int64()),
            ("ranker", arrow.string()), ("rank", arrow.int16()), ("video_id", arrow.string()),
            ("score", arrow.float64()), ("propensity", arrow.float64()), ("sources", arrow.list_(arrow.string())),
            ("reasons", arrow.list_(arrow.string())),
        ]
    )  # fmt: skip
    waiting: list[dict[str, Any]] = []

    def flush(least: int) -> None:
        if len(waiting) >= least:
            writer.write_table(arrow.Table.from_pylist(waiting, schema))
            waiting.clear()

    def write(slate: bytes) -> None:
        waiting.extend(rows_of(decode_recommendation(slate)))
        flush(ROW_GROUP)

    with ParquetWriter(path, schema, compression="zstd") as writer:
        yield write
        flush(1)


def rows_of(slate: Recommendation) -> Iterator[dict[str, Any]]:
    """The items of a slate as rows of a table; `line` is that of the event that it answers, `at_ms` its time."""
    trigger, ranker = slate.trigger, slate.models.get("ranker", "")
    for item in slate.items:
        yield {
            "line": trigger.offset,
            "user_id": slate.user_id,
            "version": slate.version,
            "at_ms": trigger.at_ms,
            "ranker": ranker,
            "rank": item.rank,
            "video_id": item.video_id,
            "score": item.score,
            "propensity": item.propensity,
            "sources": item.sources,
            "reasons": [because.code for because in item.reasons],
        }
