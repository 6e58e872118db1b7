"""Public data sets in the forms in which they are published, and in bounded memory."""

import tracemalloc

import pytest

from streams.logs.convert import time_order
from streams.logs.convert.kuairand import convert_kuairand
from streams.logs.convert.movielens import convert_movielens
from tests.support.events import events_of
from tests.unit.streams.test_convert import T, kuairand_folder, movielens_folder, row, uploads_of

KUAIRAND_CSV = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab"
)


def test_kuairands_csv_files_are_read_as_they_are_published(tmp_path):
    """The archive's folder, with its files in data/, gives the log that the same rows in Parquet give."""
    for folder in ("csv/data", "parquet"):
        (tmp_path / folder).mkdir(parents=True)
    rows = [row(time_ms=T + n % 3, user_id=n % 5, is_like=n % 2) for n in range(20)]
    kuairand_folder(tmp_path / "parquet", rows, ["2,77,2022-04-10,,,"])
    kuairand_folder(tmp_path / "csv" / "data", rows, ["2,77,2022-04-10,,,"])
    (tmp_path / "csv" / "data" / "log_standard_test.parquet").unlink()
    names = KUAIRAND_CSV.split(",")
    lines = [KUAIRAND_CSV, *(",".join(str(one.get(name, 0)) for name in names) for one in rows)]
    (tmp_path / "csv" / "data" / "log_standard_4_08_to_4_21_pure.csv").write_text("\r\n".join(lines) + "\r\n")
    for name in ("csv", "parquet"):
        convert_kuairand(tmp_path / name, tmp_path / f"{name}.jsonl")
    assert (tmp_path / "csv.jsonl").read_bytes() == (tmp_path / "parquet.jsonl").read_bytes()
    assert len(list(events_of(tmp_path / "csv.jsonl"))) == 20 + 10 - len(rows) + len({tuple(r.values()) for r in rows})


def test_movielens_1m_is_read(tmp_path):
    (tmp_path / "ratings.dat").write_bytes(b"1::7::5::978300760\n2::8::2::978300761\n")
    (tmp_path / "movies.dat").write_bytes(b"7::Heat (1995)::Action|Crime\n8::Les Mis\xe9rables (1995)::Drama\n")
    counts = convert_movielens(tmp_path, tmp_path / "log.jsonl")
    assert (counts.rows, counts.events) == (2, {"like": 1, "rate": 2, "skip": 1})
    assert [(one.title, one.tags) for one in uploads_of(tmp_path / "log.jsonl")] == [
        ("Heat (1995)", ["Action", "Crime"]),
        ("Les Misérables (1995)", ["Drama"]),
    ]


def test_movielens_100k_is_read(tmp_path):
    (tmp_path / "u.data").write_bytes(b"196\t242\t3\t881250949\n")
    flags = ["0", "1", *["0"] * 3, "1", *["0"] * 13]
    item = "|".join(
        ["242", "Kolya (1996)", "24-Jan-1997", "", "http://us.imdb.com/M/title-exact?Kolya%20(1996)", *flags]
    )
    (tmp_path / "u.item").write_bytes(item.encode("latin-1") + b"\n")
    counts = convert_movielens(tmp_path, tmp_path / "log.jsonl")
    assert (counts.rows, counts.events) == (1, {"rate": 1, "watch": 1})
    assert [(one.video_id, one.title, one.tags) for one in uploads_of(tmp_path / "log.jsonl")] == [
        ("v242", "Kolya (1996)", ["Action", "Comedy"])
    ]


@pytest.mark.parametrize("limit", [None, 10])
def test_a_data_set_needs_no_more_memory_than_a_part_of_it(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(time_order, "IN_MEMORY", 200)
    monkeypatch.setattr(time_order, "MERGED_AT_ONCE", 3)
    ratings = [f"{n % 50},{7 + n % 2},4.0,{1_000_000_000 + n * 7919 % 8_009}" for n in range(8_000)]
    folder = movielens_folder(tmp_path, ratings)
    del ratings
    tracemalloc.start()
    counts = convert_movielens(folder, tmp_path / "log.jsonl", limit)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 500_000  # all rows together take 1.3 MB
    assert counts.rows == 8_000
    times = [event.at_ms for event in events_of(tmp_path / "log.jsonl")]
    assert times == sorted(times)
    assert len(times) == (limit or 16_000)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log.jsonl", "movies.csv.gz", "ratings.csv"]
