"""Lines of recorded logs, as they stand in a file."""

from pathlib import Path

LIKE = '{"kind":"like","user_id":"u1","video_id":"v1","at_ms":1650812741000,"unknown_field":1}'
UPLOAD = '{"kind":"upload","video_id":"v1","at_ms":1650812740000,"title":"Street food"}'
NO_TIME = '{"kind":"skip","user_id":"u1","video_id":"v1"}'


def log_of(folder: Path, *lines: str) -> Path:
    """A log of these lines."""
    file = folder / "log.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return file
