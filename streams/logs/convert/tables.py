"""The tables of data sets, row by row: CSV and what is separated otherwise, plain or gzipped, and Parquet."""

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streams.errors import OperatorError

Row = dict[str, Any]  # a row of a table: what each column holds is the data set's affair
AGAIN = "Download it again."


def csv_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV file with a heading, as texts."""
    with _reading(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        rows = csv.DictReader(text)
        require_columns(columns, rows.fieldnames or (), path)
        for row in rows:
            if any(row[name] is None for name in columns):
                raise OperatorError(f"{path} cannot be read: line {rows.line_num} has too few fields.", AGAIN)
            row.pop(None, None)  # fields beyond the heading, which csv puts there
            yield row


def separated_rows(path: Path, separator: str, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a file without a heading; what is no UTF-8 is Latin-1."""
    with _reading(path) as lines:
        for number, line in enumerate(lines, 1):
            fields = _text(line.rstrip(b"\r\n")).split(separator)
            if len(fields) < len(columns):
                raise OperatorError(f"{path} cannot be read: line {number} has {len(fields)} fields.", AGAIN)
            yield dict(zip(columns, fields, strict=False))


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a Parquet file, with these columns and all others."""
    try:
        from pyarrow import ArrowInvalid, parquet  # an optional dependency, for this command alone
    except ImportError as error:
        raise OperatorError("Reading Parquet needs pyarrow.", "Install it with: pip install 'freshet[data]'") from error
    try:
        with parquet.ParquetFile(path) as table:
            require_columns(columns, table.schema_arrow.names, path)
            for batch in table.iter_batches():
                yield from batch.to_pylist()
    except (OSError, ArrowInvalid) as error:
        raise OperatorError(f"{path} is not a Parquet file: {error}.", AGAIN) from error


def require_columns(columns: Sequence[str], found: Sequence[str], path: Path) -> None:
    """OperatorError where a table lacks one of these columns."""
    missing = [name for name in columns if name not in found]
    if missing:
        raise OperatorError(f"{path} lacks the columns {missing}.", "Is it the file of this data set?")


def files_of(src: Path, *patterns: str) -> list[Path]:
    """The files of the first pattern that any has, in the folder or one below it, as archives unpack; by name."""
    for pattern in patterns:
        if found := sorted(src.glob(pattern)) or sorted(src.glob(f"*/{pattern}")):
            return found
    return []


def one_file(src: Path, *patterns: str) -> Path:
    """The first of these files; OperatorError where there is none."""
    for path in files_of(src, *patterns):
        return path
    raise no_files(src, *patterns)


def no_files(src: Path, *patterns: str) -> OperatorError:
    """What is wrong where none of these files is there."""
    if src.is_file():
        return OperatorError(f"{src} is a file.", "Unpack it, and name the folder.")
    return OperatorError(f"{src} holds no {' and no '.join(patterns)}.", "Name the folder of the data set's files.")


@contextmanager
def _reading(path: Path) -> Iterator[io.BufferedReader]:
    try:
        with path.open("rb") as stored:
            yield gzip.GzipFile(fileobj=stored) if path.suffix == ".gz" else stored  # type: ignore[misc]  # read alike
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise OperatorError(f"{path} cannot be read: {error}.", AGAIN) from error


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")
