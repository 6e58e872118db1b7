"""Vectors of texts that were encoded before, on disk: a replay of a log encodes the same titles each time.

For an encoder whose vectors depend on nothing but their text. Several processes may use one file. Where it cannot be
used, because it is damaged, locked for long, or lies in a folder that is read only, texts are encoded as without it.
"""

import json
import logging
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

import numpy as np

from encoders.base import Vectors

log = logging.getLogger("freshet.encoders")

MOST = 65_536  # texts, 1.6 KiB each; the oldest go first
WAIT_S = 5.0  # for another process that writes
CHECK = 4  # bytes of a checksum behind each vector
SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (number INTEGER PRIMARY KEY, text TEXT UNIQUE, vector BLOB)"
ASK = "SELECT text, vector FROM vectors WHERE text IN (SELECT value FROM json_each(?))"


class TextCache:
    """Rows of float32 by the hash of their text, in one SQLite file for each version of an encoder.

    most  how many are kept
    """

    def __init__(self, path: Path, most: int = MOST) -> None:
        self._path, self._most = path, most
        self._is_usable = True

    def find(self, texts: Iterable[str]) -> dict[str, Vectors]:
        """The vectors of those texts that are known."""
        wanted, rows = {code_of(text): text for text in texts}, list[tuple[str, bytes]]()
        if not wanted or not self._is_usable or not self._path.exists():
            return {}
        try:
            with closing(self._open()) as base:
                rows = base.execute(ASK, (json.dumps([*wanted]),)).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
        return {wanted[code]: found for code, stored in rows if (found := _read(stored)) is not None}

    def keep(self, vectors: Mapping[str, Vectors]) -> None:
        """Remember vectors by their texts."""
        if not vectors or not self._is_usable:
            return
        rows = [(code_of(text), _written(vector)) for text, vector in vectors.items()]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._open()) as base, base:
                base.executemany("INSERT OR REPLACE INTO vectors (text, vector) VALUES (?, ?)", rows)
                base.execute("DELETE FROM vectors WHERE number <= (SELECT max(number) FROM vectors) - ?", (self._most,))
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def _open(self) -> sqlite3.Connection:
        base = sqlite3.connect(self._path, timeout=WAIT_S)
        try:
            base.execute(SCHEMA)  # of a file that another process has just begun, or left before it wrote
        except sqlite3.Error:
            base.close()
            raise
        return base

    def _give_up(self, error: Exception) -> None:
        if self._is_usable:
            is_damaged = type(error) is sqlite3.DatabaseError  # not one of its kinds: no rights, no room, a lock
            remedy = "; delete the file if it is damaged" if is_damaged else ""
            log.warning("encoded texts are not kept in %s: %s%s", self._path, error, remedy)
        self._is_usable = False


def code_of(text: str) -> str:
    """The hash by which a text is known."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _written(vector: Vectors) -> bytes:
    data = np.ascontiguousarray(vector, "<f4").tobytes()
    return data + crc32(data).to_bytes(CHECK, "little")


def _read(stored: bytes) -> Vectors | None:
    """A vector, None where a bit of it is not as it was written."""
    data, check = stored[:-CHECK], stored[-CHECK:]
    if crc32(data).to_bytes(CHECK, "little") != check:
        return None
    return np.frombuffer(data, "<f4").astype(np.float32)
