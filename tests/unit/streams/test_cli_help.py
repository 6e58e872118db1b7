"""What `freshet --help` lists, and what it costs."""

import subprocess
import sys
from collections import Counter
from importlib import metadata

import typer

from streams import cli
from streams.cli.help import GROUPS
from tests.support.command import Freshet
from tests.support.paths import ROOT


def test_help_lists_every_command(freshet: Freshet):
    ran = freshet("--help")
    assert ran.code == 0
    for command in ("api", "broker", "config", "export", "send", "topics", "up", "validate", "watch", "worker"):
        assert f"\n  {command} " in ran.out
    assert "..." not in ran.out.removeprefix("Usage: freshet [OPTIONS] COMMAND [ARGS]...")  # no sentence is cut


def test_each_command_is_in_one_group_of_the_help():
    grouped = Counter(name for names in GROUPS.values() for name in names)
    assert grouped == Counter([*typer.main.get_command(cli.app).commands])  # type: ignore[attr-defined]


def test_it_says_its_version_and_completes_in_a_shell(freshet: Freshet):
    assert freshet("--version").out == f"{metadata.version('freshet')}\n"
    assert "_FRESHET_COMPLETE" in freshet("--show-completion", "bash").out


def test_help_imports_nothing_heavy():
    heavy = "aiokafka faust kafka numpy pydantic qdrant_client rich.console"
    script = f"import sys, streams.cli; print([m for m in {heavy.split()} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
