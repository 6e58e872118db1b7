"""Logs as files come: packed, cut off, in other encodings, no logs at all; what is said of them, and how much of it."""

import bz2
import gzip
import io
import json
import lzma
import os
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.cli import logs
from streams.kafka.records import Record
from streams.logs import send, source
from streams.logs.jsonl import Fault, Line, read_log
from streams.logs.recorded import line_of, record_of
from tests.support.command import Freshet
from tests.support.log_lines import LIKE, NO_TIME, UPLOAD, log_of
from tests.support.paths import ROOT

PLAIN = f"{LIKE}\n{UPLOAD}\n".encode()


def tarred(content: bytes) -> bytes:
    """A tar archive of one file."""
    packed, of = io.BytesIO(), tarfile.TarInfo("log.jsonl")
    of.size = len(content)
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(of, io.BytesIO(content))
    return packed.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_log_is_read(freshet: Freshet, tmp_path: Path, pack: Callable[[bytes], bytes]):
    log = tmp_path / "log.packed"
    log.write_bytes(pack(PLAIN))
    ran = freshet("validate", log)
    assert (ran.code, ran.out) == (0, f"{log}: 2 usable (1 like, 1 upload), 0 not\n" + ran.out.split("\n", 1)[1])


def test_a_zstd_log_is_read(freshet: Freshet, tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    log = tmp_path / "log.zst"
    with pyarrow.OSFile(str(log), "wb") as file, pyarrow.CompressedOutputStream(file, "zstd") as out:
        out.write(PLAIN)
    assert "2 usable (1 like, 1 upload), 0 not" in freshet("validate", log).out


def test_without_pyarrow_a_zstd_log_names_the_remedy(freshet: Freshet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "log.zst").write_bytes(b"\x28\xb5\x2f\xfd....")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ran = freshet("validate", tmp_path / "log.zst")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (1, "", 2)
    assert "zstd -dc" in ran.err


def test_a_packed_log_that_is_cut_off_says_behind_which_line(freshet: Freshet, tmp_path: Path):
    log = tmp_path / "log.gz"
    packed = gzip.compress(PLAIN + os.urandom(300_000).hex().encode() + b"\n" + PLAIN)
    log.write_bytes(packed[: len(packed) // 2])
    ran = freshet("validate", log)
    assert ran.code == 1
    assert "log.gz is damaged or cut off behind line 2" in ran.err
    assert len(ran.err.splitlines()) == 2
    log.write_bytes(packed[:40])
    assert "log.gz is damaged or cut off" in freshet("validate", log).err


@pytest.mark.parametrize("codec", ["zstd", "bz2"])
def test_what_is_packed_and_damaged_is_named_as_that(freshet: Freshet, tmp_path: Path, codec: str):
    packed = pytest.importorskip("pyarrow").compress(PLAIN, codec, asbytes=True) if codec == "zstd" else b""
    log = tmp_path / "log.packed"
    for damaged in (packed[:-9], packed + b"garbage") if packed else (b"BZh9" + bytes(40), bz2.compress(PLAIN)[:-9]):
        log.write_bytes(damaged)
        ran = freshet("validate", log)
        assert (ran.code, ran.out, len(ran.err.splitlines())) == (1, "", 2)
        assert "log.packed is damaged or cut off" in ran.err


@pytest.mark.parametrize(
    "content", [PLAIN[:-1] + bytes(4096), PLAIN.replace(b"\n", b"\n" + bytes(512), 1), b"\x1e" + PLAIN]
)
def test_what_lies_around_a_line_costs_none(freshet: Freshet, tmp_path: Path, content: bytes):
    log = tmp_path / "log.jsonl"
    log.write_bytes(content)
    assert "2 usable (1 like, 1 upload), 0 not" in freshet("validate", log).out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (UPLOAD[:-3], "line 1: $: decode: Input data was truncated"),
        (UPLOAD + LIKE, "line 1: $: decode: JSON is malformed: trailing characters"),
        ('{"recorded":{"topic":"t"},"value":{}}', "line 1: recorded: schema: as a recorded line: Object missing"),
        ("\0" * 512, "line 1: $: decode: null bytes alone, as a power cut leaves them"),
        ('{"recorded":5,"key":"u1"}', "line 1: recorded: schema: as a recorded line: Expected `object`, got `int`"),
    ],
)
def test_of_a_damaged_line_what_is_wrong_with_it_is_said(freshet: Freshet, tmp_path: Path, line: str, said: str):
    assert freshet("validate", log_of(tmp_path, line, LIKE)).out.startswith(said)


def test_a_byte_order_mark_costs_no_line(freshet: Freshet, tmp_path: Path):
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\xef\xbb\xbf" + PLAIN.replace(b"\n", b"\r\n"))
    assert "2 usable (1 like, 1 upload), 0 not" in freshet("validate", log).out


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (PLAIN.decode().encode("utf-16"), "is UTF-16 text"),
        (PLAIN.decode().encode("utf-16-le"), "is UTF-16LE text"),
        (PLAIN.decode().encode("utf-16-be"), "is UTF-16BE text"),
        (PLAIN.decode().encode("utf-32"), "is UTF-32 text"),
        (b"userId,movieId,rating,timestamp\n" + b"1,2,3.5,978300760\n" * 1000, "is CSV"),
        (b"196\t242\t3\t881250949\n" * 1000, "is tab-separated values"),
        (b"\n\nuser;video\n1;2\n", "is CSV with semicolons"),
        (b"[" + LIKE.encode() + b"]", "is a JSON array"),
        (b"[\n" + LIKE.encode() + b"\n]", "is a JSON array"),
        (json.dumps(json.loads(LIKE), indent=2).encode(), "is JSON over several lines"),
        (b"PAR1\x15\x04", "is a Parquet file"),
        (b"PK\x03\x04....", "is a ZIP archive"),
        (b"<?xml version='1.0'?>\n<events/>", "is XML or HTML"),
        (gzip.compress(b"a,b\n1,2\n3,4\n", mtime=0), "is CSV"),
        (f"[{LIKE},\n{LIKE},\n{LIKE}]\n".encode(), "is a JSON array"),
        (f"{UPLOAD}\r{LIKE}\r".encode(), "is text whose lines end in a carriage return alone"),
        (gzip.compress(gzip.compress(PLAIN)), "is packed twice"),
        (bytes(range(1, 128)) * 9, "is binary data"),
        (tarred(PLAIN), "is a tar archive"),
        (gzip.compress(tarred(PLAIN)), "is a tar archive"),
    ],
)
def test_what_is_no_log_is_named_once(freshet: Freshet, tmp_path: Path, content: bytes, what: str):
    log = tmp_path / "log.jsonl"
    log.write_bytes(content)
    ran = freshet("validate", log)
    assert (ran.code, ran.out) == (1, "")
    assert what in ran.err
    assert len(ran.err.splitlines()) == 2


def test_a_wrong_file_fills_no_screen(freshet: Freshet, tmp_path: Path):
    log = log_of(tmp_path, *[f"line {n} of a text" + "x" * 5000 for n in range(3000)], *[NO_TIME] * 500)
    ran = freshet("validate", log)
    assert ran.code == 1
    assert len(ran.out) < 10_000
    assert "and 3480 more: 2980 decode, 500 schema; --every prints them" in ran.out
    assert "0 usable (none), 3500 not" in ran.out
    assert len(freshet("validate", log, "--every").out.splitlines()) == 3501
    assert json.loads(freshet("validate", log, "--json").out.splitlines()[-1])["faults_by_reason"] == {
        "decode": 3000,
        "schema": 500,
    }


def test_a_bad_first_line_is_a_fault_and_the_rest_is_read(freshet: Freshet, tmp_path: Path):
    ran = freshet("validate", log_of(tmp_path, "# a, comment", LIKE, UPLOAD))
    assert ran.out.startswith("line 1: $: decode")
    assert "2 usable" in ran.out


def test_standard_input_is_a_log(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(PLAIN)))))
    assert freshet("validate", "-").out.startswith("standard input: 2 usable (1 like, 1 upload), 0 not")


def test_standard_input_that_is_closed_is_named(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", None)
    ran = freshet("validate", "-")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "freshet: Standard input is closed.")


def test_standard_input_is_sent(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(PLAIN))))
    monkeypatch.setattr(logs, "wait_for_broker", lambda _: None)
    monkeypatch.setattr(send, "send", lambda lines, _: Counter(one.kind for one in lines))
    ran = freshet("send", "-", "--json")
    assert (ran.code, json.loads(ran.out)) == (0, {"confirmed": {"like": 1, "upload": 1}, "left_out": 0})


def test_a_named_pipe_is_a_log(freshet: Freshet, tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_bytes, args=(PLAIN,))
    writing.start()
    ran = freshet("validate", pipe)
    writing.join()
    assert "2 usable" in ran.out


def test_an_empty_log_is_no_fault_and_a_folder_or_nothing_is_a_usage_error(freshet: Freshet, tmp_path: Path):
    (tmp_path / "empty.jsonl").touch()
    ran = freshet("validate", tmp_path / "empty.jsonl")
    assert (ran.code, ran.out) == (0, f"{tmp_path / 'empty.jsonl'}: 0 usable (none), 0 not\n")
    assert freshet("validate", tmp_path).code == 2
    assert freshet("validate", tmp_path / "missing.jsonl").code == 2


def test_a_line_without_end_takes_bounded_memory_and_its_neighbours_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(source, "MAX_LINE_BYTES", 2000)
    monkeypatch.setattr("streams.logs.jsonl.MAX_LINE_BYTES", 2000)
    log = tmp_path / "log.jsonl"
    log.write_bytes(LIKE.encode() + b"\n" + b'{"kind":"' + b"x" * 100_000 + b'"}\n' + b"\0" * 50 + b"\n" + PLAIN[:-20])
    with source.open_log(log) as opened:
        lines = [*opened.lines()]
        assert max(map(len, lines)) == 2001
    first, long, nul, again, cut = read_log(lines)
    assert isinstance(first, Line) and isinstance(again, Line)
    assert isinstance(long, Fault) and (long.number, long.reason.value) == (2, "too_large")
    assert isinstance(nul, Fault) and isinstance(cut, Fault)


def test_a_log_that_goes_back_in_time_says_so_and_where_first(freshet: Freshet, tmp_path: Path):
    later = LIKE.replace("1650812741000", "1650812799000")
    ran = freshet("validate", log_of(tmp_path, later, LIKE, later, LIKE))
    assert ran.code == 0
    assert "goes back in time: first at line 2, in 2 lines, by 58 s at most" in ran.out


@pytest.mark.parametrize(
    "value",
    [
        LIKE.encode(),
        b"",
        None,
        b"\xff\x00",
        b"not json",
        b'{"a":NaN}',
        b'{"a":\n1}',
        b'{"a":"\xff"}',
        b"[1]",
        b'{"a":1} ',
        b'{"a":1}{}',
    ],
)
@pytest.mark.parametrize("key", [b"u1", None, b"\xfe"])
def test_a_record_comes_back_from_its_line_byte_for_byte(value: bytes | None, key: bytes | None):
    record = Record("p.feedback.v1", 2, 991, 7, key, value, [("a", b"1"), ("a", None), ("b", b"\xff")])
    line = line_of(record, 4)
    assert line.count(b"\n") == 1
    assert record_of(line) == (record, 4)


def test_the_recorded_line_on_the_page_is_one_that_a_replay_takes():
    page = (ROOT / "docs" / "replaying.md").read_text()
    shown = page[page.index('{"recorded"') :].partition("```")[0]
    (line,) = read_log([shown.replace("\n", "").encode()])
    assert isinstance(line, Line), line
