"""Slates of a replay in files: in each form the same."""

import gzip
import json
import sys
from pathlib import Path

import pytest

from schemas.messages import recommendations
from schemas.messages.recommendations import Because, Item, Recommendation, Trigger
from streams.errors import OperatorError
from streams.logs.slate_files import slate_file
from tests.support.events import minute


def slate(line: int) -> bytes:
    """A slate of two items as JSON."""
    items = [
        Item(1, "v2", 0.75, {"finish": 0.5}, 1.0, ["fresh", "popular"], [Because("similar_to", 1.0, "v9")]),
        Item(2, "v1", 0.25, {}, 0.125, ["fresh"], [Because("explore", 1.0)]),
    ]
    return recommendations.encode(
        Recommendation(
            schema_version="1.0",
            recommendation_id=f"ana-{line}",
            user_id="ana",
            version=line,
            generated_at_ms=0,
            expires_at_ms=minute(9),
            trigger=Trigger(None, "feedback.v1", 0, line, minute(line)),
            models={"ranker": "r@1", "encoder": "e", "policy": "p"},
            timings_ms={},
            degraded=[],
            items=items,
            exhausted=False,
        )
    )


SLATES = [slate(line) for line in range(1, 4)]


@pytest.mark.parametrize("name", ["slates.jsonl", "slates.jsonl.gz", "slates.jsonl.zst"])
def test_lines_are_the_same_plain_and_packed(tmp_path: Path, name: str) -> None:
    with slate_file(tmp_path / name) as write:
        for one in SLATES:
            write(one)
    data = (tmp_path / name).read_bytes()
    if name.endswith(".gz"):
        data = gzip.decompress(data)
    elif name.endswith(".zst"):
        import pyarrow

        data = pyarrow.input_stream(str(tmp_path / name), compression="zstd").read()
    assert data == b"".join(one + b"\n" for one in SLATES)


@pytest.mark.parametrize("name", ["slates.jsonl", "slates.jsonl.gz", "slates.parquet"])
def test_what_was_interrupted_does_not_pass_for_a_whole_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyboardInterrupt), slate_file(tmp_path / name) as write:
        write(SLATES[0])
        raise KeyboardInterrupt
    assert not (tmp_path / name).exists()


def test_a_device_is_written_to_as_it_is() -> None:
    with slate_file(Path("/dev/null")) as write:
        write(SLATES[0])
    assert Path("/dev/null").is_char_device()


def test_a_table_has_a_row_for_each_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import parquet

    monkeypatch.setattr("streams.logs.slate_files.ROW_GROUP", 4)
    with slate_file(tmp_path / "slates.parquet") as write:
        for one in SLATES:
            write(one)
    rows = parquet.read_table(tmp_path / "slates.parquet").to_pylist()
    assert [(row["line"], row["rank"], row["video_id"]) for row in rows] == [
        (line, rank, video_id) for line in (1, 2, 3) for rank, video_id in ((1, "v2"), (2, "v1"))
    ]
    first = {name: rows[0][name] for name in ("user_id", "version", "at_ms", "ranker", "score", "propensity")}
    assert first == {
        "user_id": "ana",
        "version": 1,
        "at_ms": minute(1),
        "ranker": "r@1",
        "score": 0.75,
        "propensity": 1.0,
    }
    assert (rows[0]["sources"], rows[0]["reasons"]) == (["fresh", "popular"], ["similar_to"])
    assert parquet.ParquetFile(tmp_path / "slates.parquet").num_row_groups == 2


@pytest.mark.parametrize("name", ["slates.jsonl.zst", "slates.parquet"])
def test_without_pyarrow_the_forms_that_need_it_are_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OperatorError, match=r"needs pyarrow. Write .jsonl or .jsonl.gz"), slate_file(tmp_path / name):
        pass


def test_the_slate_of_these_tests_is_one() -> None:
    assert json.loads(SLATES[0])["items"][0]["video_id"] == "v2"
