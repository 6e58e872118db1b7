"""Where a log is read from: a file, standard input, a pipe; plain or packed. What is no log is named once."""

import bz2
import gzip
import io
import lzma
import re
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from streams.errors import OperatorError

STDIN = Path("-")
MAX_LINE_BYTES = 32 * 1024 * 1024  # the largest record, as base64, and its headers
READ_AHEAD = 64 * 1024
LOOKED_AT = 10  # lines, to tell what a file is
JSON_LINES = "A log has one JSON object a line, in UTF-8"

UNICODE = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32"}
OTHERS = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP archive",
    b"SQLite": "an SQLite file",
    b"Obj\x01": "an Avro file",
}
TAR, TAR_AT = b"ustar", 257
BINARY = re.compile(rb"[\x01-\x08\x0e-\x1d\x1f]")
BLANK = b" \t\r\n\x0b\x0c\x1e"  # around a line; the last is the mark before each of RFC 7464
SEPARATORS = {b",": "CSV", b"\t": "tab-separated values", b";": "CSV with semicolons", b"|": "values between bars"}


class Source:
    """An open log: its lines, and how far it has been read."""

    def __init__(self, name: str, raw: BinaryIO, text: io.BufferedReader, size: int | None) -> None:
        self.name, self.size = name, size  # in bytes as it is stored; None: not known
        self._raw, self._text = raw, text
        self.damage = () if text is raw else PACKED_ERRORS  # what reading it raises where it is damaged

    @property
    def position(self) -> int:
        """Bytes read so far, as it is stored."""
        return self._raw.tell() if self.size is not None else 0

    def lines(self) -> Iterator[bytes]:
        """Line by line; one that is too long ends early, and shows it by its length."""
        number = 0
        try:
            while line := self._text.readline(MAX_LINE_BYTES + 1):
                number += 1
                yield line
                while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
                    line = self._text.readline(MAX_LINE_BYTES + 1)
        except self.damage as error:
            cause = f"{self.name} is damaged or cut off behind line {number}: {error}."
            raise OperatorError(cause, "Pack it again; the lines before that were read.") from error


PACKED_ERRORS = (EOFError, zlib.error, lzma.LZMAError, OSError)  # bz2 and pyarrow raise the last


@contextmanager
def open_log(path: Path) -> Iterator[Source]:
    """A log for reading, `-` from standard input. OperatorError says what it is where it is none."""
    with ExitStack() as opened:
        raw = _raw(path, opened)
        name = "standard input" if path == STDIN else str(path)
        packed = raw.peek(8)
        unpack = next((how for magic, how in PACKED.items() if packed.startswith(magic)), None)
        text = raw
        if unpack:
            text = io.BufferedReader(cast(io.RawIOBase, opened.enter_context(unpack(raw))), READ_AHEAD)
        source = Source(name, raw, text, _size(path))
        _refuse_others(source, text)
        yield source


def _raw(path: Path, opened: ExitStack) -> io.BufferedReader:
    if path == STDIN:
        if sys.stdin is None:
            raise OperatorError("Standard input is closed.", "Name a file, or pipe a log in.")
        return cast(io.BufferedReader, sys.stdin.buffer)
    return opened.enter_context(io.BufferedReader(io.FileIO(path), READ_AHEAD))


def _size(path: Path) -> int | None:
    if path == STDIN:
        return None
    found = path.stat()
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _zstd(raw: BinaryIO) -> BinaryIO:
    try:
        from pyarrow import PythonFile, input_stream  # an optional dependency; Python itself unpacks it from 3.14 on
    except ImportError as error:
        remedy = "Unpack it: zstd -dc LOG.zst | freshet … -, or install pyarrow with: pip install 'freshet[data]'"
        raise OperatorError("Reading .zst needs pyarrow.", remedy) from error
    return cast(BinaryIO, input_stream(PythonFile(raw, "r"), compression="zstd"))


def _gzip(raw: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw))


def _bz2(raw: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, bz2.BZ2File(raw))


def _xz(raw: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, lzma.LZMAFile(raw))


PACKED: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": _gzip,
    b"\x28\xb5\x2f\xfd": _zstd,
    b"BZh": _bz2,
    b"\xfd7zXZ\x00": _xz,
}


def _refuse_others(source: Source, text: io.BufferedReader) -> None:
    try:
        head = text.peek(READ_AHEAD)
    except source.damage as error:
        raise OperatorError(f"{source.name} is damaged or cut off: {error}.", "Pack it again.") from error
    if what := kind_of(head):
        raise OperatorError(f"{source.name} is {what[0]}.", f"{JSON_LINES}{what[1]}.")


def kind_of(head: bytes) -> tuple[str, str] | None:
    """What a file is that begins so, with a hint; None where it may be a log.

    >>> kind_of(b'{"kind":"like"}') is None, kind_of(b"userId,movieId\\n1,7\\n")[0]
    (True, 'CSV')
    """
    if encoding := _unicode(head):
        return f"{encoding} text", f": iconv -f {encoding} -t UTF-8"
    if other := next((what for magic, what in OTHERS.items() if head.startswith(magic)), None):
        return other, ""
    if head.startswith(tuple(PACKED)):
        return "packed twice", "; unpack it once"
    if head[TAR_AT:].startswith(TAR):
        return "a tar archive", ": tar -xO -f"
    whole = head.rpartition(b"\n")[0] or head
    lines = [line for one in whole.removeprefix(b"\xef\xbb\xbf").splitlines() if (line := one.strip(BLANK))][:LOOKED_AT]
    if not lines:
        return None
    if len(lines) > 1 and b"\n" not in head:
        return "text whose lines end in a carriage return alone", ": tr '\\r' '\\n'"
    if not lines[0].startswith(b"[") and any(line.startswith(b"{") and line != b"{" for line in lines[1:]):
        return None
    return _by_lines(lines)


def _by_lines(lines: list[bytes]) -> tuple[str, str] | None:
    first = lines[0]
    if first == b"{" or (first.startswith(b"[") and len(lines) > 1) or first.startswith((b"[{", b"[]")):
        kind = "a JSON array" if first.startswith(b"[") else "JSON over several lines"
        return kind, ": jq -c '.[]'" if first.startswith(b"[") else ": jq -c ."
    if first.startswith(b"<"):
        return "XML or HTML", ""
    if not first.startswith(b"{") and BINARY.search(b"".join(lines)):
        return "binary data", ""
    for separator, kind in SEPARATORS.items():
        counts = {line.count(separator) for line in lines}
        if len(lines) > 1 and min(counts) > 0 and not first.startswith((b"{", b'"kind')):
            return kind, "; `freshet convert` reads KuaiRand's and MovieLens's files"
    return None


def _unicode(head: bytes) -> str:
    for mark in sorted(UNICODE, key=len, reverse=True):
        if head.startswith(mark):
            return UNICODE[mark]
    if head[1:2] == b"\0" and head[:1] in b'{[" \n':
        return "UTF-16LE" if head[2:4] != b"\0\0" else "UTF-32LE"
    if head[:1] == b"\0" and head[1:2] in (b"{", b"["):
        return "UTF-16BE"
    return ""
