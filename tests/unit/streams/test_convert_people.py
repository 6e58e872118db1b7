"""What KuaiRand says of people, as files that an evaluation reads beside the log."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ranker.learning.undated_history import History
from streams.cli.convert import app
from streams.errors import OperatorError
from streams.logs.convert.kuairand_people import convert_histories, convert_user_features
from streams.logs.people import read_histories, read_user_features
from tests.unit.streams.test_convert import T, kuairand_folder, row

USERS = "user_id,active,follow_user_num,fans_user_num,friend_user_num,register_days,range"


def users_folder(folder: Path, lines: list[str], heading: str = USERS) -> Path:
    (folder / "user_features_pure.csv").write_text("\n".join([heading, *lines]) + "\n")
    return kuairand_folder(folder, [row()], [])


def history_file(folder: Path, rows: list[dict]) -> None:
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "user_history_before_2022-04-25.parquet")


def test_user_features_are_numbers_where_they_count_and_codes_elsewhere(tmp_path):
    folder, out = users_folder(tmp_path, ['7,full,514,0,3,,"[100,1k)"']), tmp_path / "people.jsonl"
    assert convert_user_features(folder, out) == 1
    assert json.loads(out.read_text()) == {
        "user_id": "u7",
        "features": {
            "active": "full", "follow_user_num": 514, "fans_user_num": 0, "friend_user_num": 3, "register_days": None,
            "range": "[100,1k)",
        },
    }  # fmt: skip
    assert [*read_user_features(out)] == ["u7"]


def test_histories_are_lists_of_videos(tmp_path):
    met = {"watch_seq": [5, 2], "like_seq": [], "long_watch_seq": [2]}
    rows = [
        {"user_id": 7, "history_len": 9, "last_time_ms": T, **met},
        {"user_id": 8, "history_len": 0, "last_time_ms": T, **met, "watch_seq": []},
    ]
    history_file(tmp_path, rows)
    assert convert_histories(tmp_path, tmp_path / "histories.jsonl") == 1
    assert read_histories(tmp_path / "histories.jsonl") == {"u7": History("u7", T, 9, ("v5", "v2"), ("v2",))}


def test_people_are_written_only_where_that_is_asked_for(tmp_path):
    folder, log = users_folder(tmp_path, []), tmp_path / "log.jsonl"
    before = {*tmp_path.iterdir()}
    assert CliRunner().invoke(app, ["kuairand", str(folder), str(log)]).exit_code == 0
    assert {*tmp_path.iterdir()} - before == {log}
    people = tmp_path / "people.jsonl"
    result = CliRunner().invoke(app, ["kuairand", str(folder), str(log), "--people", str(people)])
    assert result.exit_code == 0 and people.exists()
    assert f"{people}: 0 people" in result.stderr


def test_files_about_people_that_cannot_be_read_are_named(tmp_path):
    out = tmp_path / "out.jsonl"
    with pytest.raises(OperatorError, match=r"holds no user_features\*"):
        convert_user_features(tmp_path, out)
    with pytest.raises(OperatorError, match=r"lacks the columns \['follow_user_num'"):
        convert_user_features(users_folder(tmp_path, [], "user_id"), out)
    with pytest.raises(OperatorError, match="cannot be read: invalid literal"):
        convert_user_features(users_folder(tmp_path, ["7,full,many,0,3,1,x"]), out)
    with pytest.raises(OperatorError, match="cannot be written"):
        convert_user_features(users_folder(tmp_path, []), tmp_path / "nowhere" / "out.jsonl")
    history_file(tmp_path, [{"user_id": 7}])
    with pytest.raises(OperatorError, match=r"lacks the columns \['history_len'"):
        convert_histories(tmp_path, out)
    assert not out.exists() and not [*tmp_path.glob("*.part")]
