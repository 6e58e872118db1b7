"""What KuaiRand says of its people: their features, and what they met before the log, without times.

Both go into files of their own, which `freshet evaluate` reads with --people and --warm.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from ranker.learning.undated_history import History
from ranker.learning.user_features import UserFeatures, Value
from streams.errors import OperatorError
from streams.logs.convert.tables import Row, csv_rows, one_file, parquet_rows
from streams.logs.convert.writer import complete

USER_FEATURES = "user_features*.csv*"
HISTORIES = "user_history_before_*.parquet"
NUMBERS = ("follow_user_num", "fans_user_num", "friend_user_num", "register_days")  # all else are codes and ranges
HISTORY_ROW = ("user_id", "history_len", "last_time_ms", "watch_seq", "like_seq", "long_watch_seq")


def convert_user_features(src: Path, out: Path) -> int:
    """Write the features of a KuaiRand folder's people; returns of how many."""
    path = one_file(src, USER_FEATURES)
    return _write(out, (_user_features(row, path) for row in csv_rows(path, ("user_id", *NUMBERS))))


def convert_histories(src: Path, out: Path) -> int:
    """Write the histories of a KuaiRand folder's people; returns of how many."""
    rows = parquet_rows(one_file(src, HISTORIES), HISTORY_ROW)
    return _write(out, (_history(row) for row in rows if row["watch_seq"]))


def _user_features(row: Row, path: Path) -> UserFeatures:
    try:
        features = {name: _value(name, text) for name, text in row.items() if name != "user_id"}
    except ValueError as error:
        raise OperatorError(f"{path} cannot be read: {error}.", "Download it again.") from error
    return UserFeatures(f"u{row['user_id']}", features)


def _value(name: str, text: str) -> Value:
    if not text:
        return None
    return int(text) if name in NUMBERS else text


def _history(row: Row) -> History:
    """A history; `long_watch_seq` agrees with finishes, as docs/ranking.md has them, on 99.6 % of the log's rows."""
    return History(
        f"u{row['user_id']}",
        row["last_time_ms"],
        row["history_len"],
        *(tuple(f"v{video}" for video in row[name]) for name in ("watch_seq", "long_watch_seq", "like_seq")),
    )


def _write(out: Path, people: Iterable[UserFeatures | History]) -> int:
    """One line a person."""
    with complete(out) as file:
        return sum(1 for one in people if file.write(msgspec.json.encode(one) + b"\n"))
