"""Commands that turn public data sets into Freshet's JSONL."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from streams.cli.help import WholeSentences
from streams.cli.options import Json, echo_err
from streams.logs.convert.kuairand import convert_kuairand
from streams.logs.convert.movielens import convert_movielens
from streams.logs.convert.writer import Counts

app = typer.Typer(
    cls=WholeSentences, name="convert", no_args_is_help=True, help="Turn a recorded log of others into Freshet's JSONL."
)

Source = Annotated[Path, typer.Argument(help="Folder of the data set.")]
Out = Annotated[Path, typer.Argument(help="JSONL file to write.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Keep so many events, and whole exposures.")]
People = Annotated[
    Path | None, typer.Option(help="Write what is known of people here, for `freshet evaluate --people`.")
]
Histories = Annotated[
    Path | None, typer.Option(help="Write what people met before the log here, for `freshet evaluate --warm`.")
]


@app.command("kuairand")
def kuairand(
    src: Source,
    out: Out,
    limit: Limit = None,
    people: People = None,
    histories: Histories = None,
    as_json: Json = False,
) -> None:
    """Convert KuaiRand-Pure: exposures of a short-video app."""
    counts = convert_kuairand(src, out, limit)
    if people or histories:
        _convert_people(src, people, histories)
    _print_counts(counts, out, as_json)


@app.command("movielens")
def movielens(src: Source, out: Out, limit: Limit = None, as_json: Json = False) -> None:
    """Convert MovieLens: films and ratings; watch times are nominal, all times 260 weeks later."""
    _print_counts(convert_movielens(src, out, limit), out, as_json)


def _convert_people(src: Path, people: Path | None, histories: Path | None) -> None:
    from streams.logs.convert.kuairand_people import convert_histories, convert_user_features  # numpy is slow to import

    for out, convert in ((people, convert_user_features), (histories, convert_histories)):
        if out:
            echo_err(f"{out}: {convert(src, out)} people")


def _print_counts(counts: Counts, out: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(asdict(counts)))
        return
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.events.items())
    typer.echo(f"{out}: {counts.uploads} uploads ({counts.clamped} dated back to their video's first event), {kinds}")
    typer.echo(f"from {counts.rows} rows, {counts.duplicates} exact duplicates left out")
