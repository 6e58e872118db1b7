"""What others wrote, on the terminal of whoever runs a command: nothing of it is obeyed there."""

from collections.abc import Callable

import pytest

from schemas.messages.videos import Encoded
from streams.cli import catalogue
from streams.cli.errors import print_error
from streams.cli.options import echo_err, echo_out, print_columns
from streams.errors import OperatorError
from tests.support.events import NOON

EVIL = "Cats \x1b]0;gone\x07\x1b[2J\x9b1m\r \u202egnp.exe"
SEEN = "Cats \\x1b]0;gone\\x07\\x1b[2J\\x9b1m\\r \\u202egnp.exe"
VIDEO = Encoded(video_id="v\u2066", at_ms=NOON, title=EVIL, tags=[EVIL])


@pytest.mark.parametrize(
    "written",
    [
        lambda: catalogue.print_line(VIDEO, "0.5"),
        lambda: print_columns([("video", "title"), (VIDEO.video_id, EVIL)]),
        lambda: echo_err(EVIL),
        lambda: echo_out(EVIL),
        lambda: print_error(OperatorError(EVIL, EVIL)),
    ],
)
def test_nothing_that_others_wrote_is_obeyed_by_a_terminal(
    written: Callable[[], object], capsys: pytest.CaptureFixture[str]
) -> None:
    written()
    shown = "".join(capsys.readouterr())
    assert SEEN in shown
    assert all(c.isprintable() or c == "\n" for c in shown)


def test_lines_and_columns_of_a_text_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    echo_out("as it was:\n\tat java.base/Thread.run\tقطط 家 ❤️")
    assert capsys.readouterr().out == "as it was:\n\tat java.base/Thread.run\tقطط 家 ❤️\n"
