"""Run the measurements: a table, bench.json, and a non-zero exit status where one failed or cannot be trusted."""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from tests.bench.ground import Ground
    from tests.bench.results import Result

MEASUREMENTS = {  # module and function by name, in the order in which they run
    "fold": "fold:fold",
    "profile.bytes": "fold:profile_bytes",
    "encode.text": "encoding:encode",
    "decode.media": "media:media",
    "encode.videos": "videos:encode",
    "uploads.live": "uploads:live",
    "ranker.slates": "ranking:slates",
    "ranker.memory": "memory:per_video",
    "replay.events": "replaying:replay",
    "replay.fold": "replaying:fold",
    "explanations": "explanations:explanations",
    "reference.backlog": "backlog:reference",
    "profiles.backlog": "backlog:profiles",
    "recovery": "recovery:recovery",
    "scale": "scale:scale",
    "reference.live": "live:live",
    "slate.latency": "slates:latency",
    "slate.rate": "slates:highest_rate",
    "slate.load": "load:load",
    "learning.step": "learning:step",
    "learning.lag": "learning:lag",
    "api.slate": "api:slate",
    "api.feedback": "api:events",
    "api.restart": "api:restart",
    "api.memory": "api_memory:per_video",
    "page.like": "page:like",
    "index.rate": "indexing:rate",
    "index.fresh": "indexing:fresh",
    "index.rebuild": "indexing:rebuild",
    "index.silent": "silence:silent",
    "index.retrieval": "retrieval:retrieval",
    "index.engine": "engine:engine",
}
WIDTH = 150  # where the output is no terminal


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m tests.bench", description="Measure on this machine.")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run? The figures say little")
    parser.add_argument("--long", action="store_true", help="five minutes of steady traffic for slate.latency")
    parser.add_argument("--only", type=_names, default=list(MEASUREMENTS), metavar="NAME,NAME", help="only these")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="PATH", help="where figures go")
    return parser.parse_args(given)


def _names(text: str) -> list[str]:
    for name in (names := text.split(",")):
        if name not in MEASUREMENTS:
            nearest = get_close_matches(name, MEASUREMENTS, n=1, cutoff=0.0)[0]
            raise argparse.ArgumentTypeError(f"{name!r} is no measurement; the nearest one is {nearest}")
    return [name for name in MEASUREMENTS if name in names]


def run(asked: argparse.Namespace, console: Console) -> int:
    """Measure, show, write; returns the exit status."""
    from tests.bench.ground import Ground
    from tests.bench.machine import load, machine, told
    from tests.bench.results import as_json, show

    here = machine() | {"quick": asked.quick}
    results: list[Result] = []
    failed: dict[str, str] = {}
    with ExitStack() as running:
        folder = running.enter_context(tempfile.TemporaryDirectory(prefix="freshet-bench-"))
        ground = Ground(asked.quick, asked.long, Path(folder), running)
        for name in asked.only:
            began_s = time.monotonic()
            found = measured(name, ground)
            if isinstance(found, str):
                failed[name] = found
            else:
                results += found
            how = "failed" if name in failed else "done"
            print(f"{name}: {how} in {time.monotonic() - began_s:.0f} s", file=sys.stderr)
    console.print(told(here) + ("; quick: the figures say little" if asked.quick else ""), highlight=False)
    show(console, results)
    for name, cause in failed.items():
        console.print(f"{name} failed: {cause}", style="red", highlight=False)
    written = as_json(here | {"load_after": load()}, results) | {"failed": failed}
    asked.json.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return int(bool(failed) or any(result.fault for result in results))


def measured(name: str, ground: "Ground") -> "list[Result] | str":
    """The results of one measurement, or why it failed: then the others go on."""
    from streams.cli.errors import parts_of

    module, function = MEASUREMENTS[name].split(":")
    try:
        found: list[Result] = getattr(import_module(f"tests.bench.{module}"), function)(ground)
        return found
    except Exception as error:  # whatever it is, it is told below the table
        if os.environ.get("FRESHET_DEBUG"):
            traceback.print_exception(error)
        cause, remedy, _ = parts_of(error)
        return f"{cause} {remedy}".strip()


def main() -> int:
    """Two cores for everything, one thread for what is measured inside this process."""
    from tests.bench.machine import on_two_cores

    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is loaded, so before everything else
    asked = arguments()
    on_two_cores()
    # Imports once, however many senders and readers are made.
    multiprocessing.get_context("forkserver").set_forkserver_preload(["tests.bench.traffic"])
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    return run(asked, console)


if __name__ == "__main__":
    sys.exit(main())
