"""Commands that prepare: the local broker, the settings, the models.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.help import WholeSentences
from streams.cli.options import (
    Json,
    configured,
    echo_err,
    inspect_settings,
    print_columns,
    treat_sigterm_as_ctrl_c,
    with_loaded,
    write_json,
)
from streams.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.settings.load import Loaded
    from schemas.settings.model import Settings
    from streams.local.broker import LocalBroker

config = typer.Typer(cls=WholeSentences, help="Show the settings.", no_args_is_help=True)
models = typer.Typer(cls=WholeSentences, help="The models in one archive.", no_args_is_help=True)
POLL_INTERVAL_S = 0.2


@configured
def broker(
    settings: "Settings",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 9092,
    reset: Annotated[bool, typer.Option("--reset", help="Begin with an empty log.")] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="Only fetch Kafka's jars, once.")] = False,
    as_json: Json = False,
) -> None:
    """Run a real Kafka broker on this machine, without Docker, until Ctrl-C."""
    if fetch:
        from streams.local.class_archive import make_class_archive
        from streams.local.jars import kafka_jars

        make_class_archive(kafka_jars(settings.cache_dir.absolute(), echo_err), echo_err)
        return
    from streams.local.broker import local_broker

    treat_sigterm_as_ctrl_c()
    try:
        with local_broker(settings.data_dir, settings.cache_dir, port, reset, echo_err, lasts=True) as running:
            _print_started(running, as_json)
            _wait_for_end(running)
    except KeyboardInterrupt:
        echo_err("broker stopped")


def _print_started(running: "LocalBroker", as_json: bool) -> None:
    if as_json and running.process:
        write_json({"bootstrap": running.bootstrap, "pid": running.process.pid, "folder": str(running.folder)})
    echo_err(f"Kafka answers at {running.bootstrap}; its files are in {running.folder}; Ctrl-C stops it")


def _wait_for_end(running: "LocalBroker") -> None:
    from streams.worker.processes import exit_text

    while running.process:
        if (status := running.process.poll()) is not None:
            raise OperatorError(f"Kafka ended {exit_text(status)}.", f"Read {running.folder}/broker.log.")
        time.sleep(POLL_INTERVAL_S)


def show(loaded: "Loaded", as_json: Json = False) -> None:
    """Print every setting, its value and where it came from; secrets are masked; mark what is wrong, and fail then."""
    values, faults = loaded.shown(), [*loaded.faults.values()]
    if loaded.settings.ranking:
        faults += _read_ranking(loaded.settings, values["ranking"])
    if as_json:
        write_json(values)
    else:
        rows = [(key, _cell(one["value"]), _cell(one["source"]), _mark(one)) for key, one in values.items()]
        print_columns([("setting", "value", "source", ""), *rows])
    for fault in faults:
        echo_err(f"freshet: {fault}")
    raise typer.Exit(1 if faults else 0)


def _read_ranking(settings: "Settings", entry: "dict[str, object]") -> list[str]:
    """Add to the entry what slates by the file will be called, or what is wrong with it; gives the faults."""
    from ranker.feeds.load import ranking_of
    from schemas.settings.load import SettingsError

    try:
        entry["version"] = ranking_of(settings).version
    except SettingsError as error:
        entry["fault"] = str(error)
        return [str(error)]
    return []


config.command()(with_loaded(show, inspect_settings))


@config.command()
@configured
def ranking(settings: "Settings", as_json: Json = False) -> None:
    """Print what the home feed's slates are made of: every number, and where it came from."""
    from ranker.feeds.load import ranking_of
    from ranker.feeds.ranking_table import usual_table

    table, usual = ranking_of(settings), dict(usual_table().rows())
    if as_json:
        write_json({"version": table.version, **table.model_dump()})
        return
    rows = [(key, str(value), "default" if value == usual.get(key) else "file") for key, value in table.rows()]
    print_columns([("number", "value", "source"), *rows])
    echo_err(f"slates by it are of the ranker learned@{table.version}")


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _mark(entry: "Mapping[str, object]") -> str:
    if "fault" in entry:
        return "<- wrong"
    return f"learned@{entry['version']}" if "version" in entry else ""


@configured
def export(
    settings: "Settings",
    from_source: Annotated[
        bool, typer.Option("--from-source", help="Make them with torch, into a folder beside: 2 GB more to fetch.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the ONNX models from pretrained weights, once, into the cache, or take them from FRESHET_MODELS."""
    from encoders.models.manifest import verify_for
    from streams.operations.models import provide

    folder = provide(settings, echo_err, from_source=from_source)
    if as_json:
        files = verify_for(folder, "minilm" if from_source else settings.text_model)
        write_json({"folder": str(folder), "files": len(files), "bytes": sum(one.bytes for one in files)})


@models.command("pack")
@configured
def pack(
    settings: "Settings",
    to: Annotated[Path | None, typer.Option(help="File or folder that the archive goes to.")] = None,
    as_json: Json = False,
) -> None:
    """Write the models as one archive, which other machines take by FRESHET_MODELS."""
    from streams.operations.models import packed

    path, sha256 = packed(settings, to)
    if as_json:
        write_json({"path": str(path), "sha256": sha256})
    echo_err(
        f"{path} has the sha256 {sha256}; publish it, and set FRESHET_MODELS=https://…/{path.name}#sha256={sha256}"
    )
