"""What `freshet --help` lists, and what it costs."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from typing import Any

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


WITHOUT_JSON = {
    "worker": "writes a log alone; FRESHET_LOG_FORMAT=json makes each of its lines a JSON object",
    "api": "the same",
    "playground": "what it has to show is a page; with --check its exit status says whether it works",
    "dlq export": "writes JSON Lines always",
}


def all_commands() -> Iterator[tuple[str, Any]]:
    return commands(typer.main.get_command(cli.app))


def commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:
    for name, one in group.commands.items():
        yield from commands(one, *path, name) if hasattr(one, "commands") else [(" ".join((*path, name)), one)]


def test_every_command_that_prints_data_prints_it_as_json_too():
    options = {name: {option for each in one.params for option in each.opts} for name, one in all_commands()}
    assert len(options) > 40
    assert {name for name, found in options.items() if "--json" not in found} == WITHOUT_JSON.keys()


def test_it_says_its_version_and_completes_in_a_shell(freshet: Freshet):
    assert freshet("--version").out == f"{metadata.version('freshet')}\n"
    assert "_FRESHET_COMPLETE" in freshet("--show-completion", "bash").out


def test_help_imports_nothing_heavy():
    heavy = "aiokafka faust kafka numpy pydantic qdrant_client rich.console"
    script = f"import sys, streams.cli; print([m for m in {heavy.split()} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
