"""What a check found, and how checks are run: each within a time limit, and none can end the others."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from encoders.base import ModelError
from ranker.retrieval.index import IndexUnavailable
from schemas.settings.load import SettingsError
from streams.errors import OperatorError

Level = Literal["ok", "warn", "fail"]
LIMIT_S = 20.0  # of one check; each bounds its own questions below that


class Finding(NamedTuple):
    """One thing that was looked at: what was found, and where something is wrong what to do about it."""

    level: Level
    check: str
    found: str
    remedy: str = ""


Check = Callable[[], Iterable[Finding]]


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding("ok", check, found)


def warn(check: str, found: str, remedy: str) -> Finding:
    """It works, or might, but not as it should."""
    return Finding("warn", check, found, remedy)


def fail(check: str, found: str, remedy: str) -> Finding:
    """Freshet does not work like this."""
    return Finding("fail", check, found, remedy)


def run_checks(checks: Iterable[tuple[str, Check]], limit_s: float = LIMIT_S) -> Iterator[Finding]:
    """The findings of each check in turn; one that raises, or does not end in time, is a finding too."""
    for name, check in checks:
        found: list[Finding] = []
        worker = threading.Thread(target=_run, args=(name, check, found), name=f"doctor {name}", daemon=True)
        worker.start()
        worker.join(limit_s)
        if worker.is_alive():
            found = [*found, fail(name, f"this check did not end within {limit_s:g} s", "Run it again; report it.")]
        yield from found


def _run(name: str, check: Check, found: list[Finding]) -> None:
    try:
        found.extend(check())
    except OperatorError as error:
        found.append(fail(name, error.cause, error.remedy))
    except (ModelError, SettingsError, IndexUnavailable) as error:  # each says the remedy itself
        found.append(fail(name, str(error), "Do what is said there."))
    except Exception as error:  # a check that breaks is a finding, and the next one is asked all the same
        message = " ".join(str(error).split())
        found.append(fail(name, f"the check itself failed: {type(error).__name__}: {message}", "Report it."))
