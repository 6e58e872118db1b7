"""The pages keep to the code: what they link to and name exists, in words that a reader from outside knows."""

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer

from schemas.agents import Agent
from schemas.topics import TOPICS
from streams.cli import app
from tests.meta import flow_picture
from tests.meta.pages import CODE, PAGES, Place, broken_links, code, fault_of, named, prose
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PACKAGES = ("schemas", "encoders", "ranker", "streams")
RESERVED = {"people.v1"}  # names that nothing writes to yet
OF_COMMANDS = {"handled-dead-letters.v1"}  # which no agent reads or writes
PRIVATE_WORDS = re.compile(
    r"\b(anew|likewise|as shipped|in hand|comes? again|came again|put again|(?<!there )is none|said on|knocks?"
    r"|lets? us in|behind [\w' ]{1,20} back|broker's word)\b",
    re.IGNORECASE,
)


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_relative_link_and_anchor_resolves(page: Path) -> None:
    broken = broken_links(page, text_of(page))
    assert [f"{one.target}: {one.why}" for one in broken] == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_path_and_name_of_the_code_on_a_page_exists(page: Path) -> None:
    assert [fault for place in named(text_of(page)) if (fault := fault_of(place))] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a](gone.md)", "there is no such file"),
        ("[a](docs/settings.md#no-such-heading)", "there is no such heading"),
        ("# One\n[a](#two)", "there is no such heading"),
        ("[a](README.md), [b](https://example.com/x#y), [c](docs/README.md#documentation)", None),
    ],
)
def test_a_broken_link_is_found(text: str, fault: str | None) -> None:
    assert [one.why for one in broken_links(ROOT / "page.md", text)] == ([fault] if fault else [])


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        (Place("ranker/profile/gone.py", ""), "ranker/profile/gone.py is missing"),
        (Place("ranker/profile/fold.py", "unfold"), "ranker/profile/fold.py defines no unfold"),
        (Place("streams/kafka/poll.py", "Poll.undone"), "streams/kafka/poll.py defines no Poll.undone"),
        (Place("streams/kafka/poll.py", "Poll.done"), None),
        (Place("ranker/profile/model.py", "EMPTY"), None),
    ],
)
def test_a_place_that_does_not_exist_is_found(place: Place, fault: str | None) -> None:
    assert fault_of(place) == fault


def test_the_architecture_page_names_every_folder_topic_and_agent() -> None:
    text = text_of(DOCS / "architecture.md")
    folders = {page_id(path.parent) for package in PACKAGES for path in (ROOT / package).glob("*/__init__.py")}
    assert [folder for folder in sorted(folders) if f"`{folder}/`" not in text] == []
    assert [topic.name for topic in TOPICS if f"`{topic.name}`" not in text] == []
    assert [agent for agent in Agent if f"`freshet worker {agent}`" not in text] == []


def test_the_longest_way_of_the_data_is_described_step_by_step_with_its_files() -> None:
    text = text_of(DOCS / "architecture.md")
    way = text.partition("## From an event to a slate\n")[2].partition("\n## ")[0]
    steps = re.split(r"^(?=\d+\. )", way, flags=re.MULTILINE)[1:]
    assert [int(step.partition(".")[0]) for step in steps] == list(range(1, len(steps) + 1))
    paths = [place.path for step in steps for place in named(step)]
    stations = ("schemas/messages/feedback.py", "streams/dead_letters/validation.py", "ranker/profile/fold.py",
                "streams/kafka/confirmed_producer.py", "ranker/pipeline/sources.py", "ranker/pipeline/filters.py",
                "ranker/pipeline/scorers.py", "ranker/pipeline/reranking.py", "streams/ranking/slates.py")  # fmt: skip
    assert [paths.index(one) for one in stations] == sorted(paths.index(one) for one in stations)


def test_the_picture_is_the_one_that_its_command_makes_and_shows_every_topic_in_use() -> None:
    assert text_of(flow_picture.FILE) == flow_picture.picture(), "run `make pictures`"
    shown = {box.name for box in flow_picture.BOXES if box.kind == "topic"}
    assert shown == {topic.name for topic in TOPICS} - RESERVED - OF_COMMANDS
    assert sum(box.kind == "agent" for box in flow_picture.BOXES) == len(Agent)


@pytest.mark.parametrize("page", DECISIONS, ids=page_id)
def test_a_decision_has_the_form_of_all(page: Path) -> None:
    text, number = text_of(page), page.name[:4]
    head = re.match(rf"# {number}: (.+)\n\n- Status: (.+)\n- Date: (\S+)\n", text)
    assert head, "a title with the number, then Status and Date"
    assert re.fullmatch(r"accepted|superseded by \[\d{4}\]\(\d{4}-[\w-]+\.md\)", head[2])
    assert date.fromisoformat(head[3]).isoformat() == head[3]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Measurement", "Consequences"]
    assert "**What would change it:**" in text.partition("## Consequences")[2]
    assert f"| [{number}]({page_id(page)}) | {head[3]} | {head[1]} |" in text_of(ROOT / "DECISIONS.md")


def test_decisions_are_numbered_without_gaps_in_the_order_of_their_dates() -> None:
    assert [page.name[:4] for page in DECISIONS] == [f"{n:04}" for n in range(1, len(DECISIONS) + 1)]
    dates = [re.search(r"^- Date: (\S+)$", text_of(page), re.MULTILINE) for page in DECISIONS]
    assert [found and found[1] for found in dates] == sorted(found[1] for found in dates if found)


def test_every_declared_dependency_has_its_line() -> None:
    lines = re.findall(r"^\| ([^|]+) \|", text_of(DOCS / "decisions/0007-dependencies.md"), re.MULTILINE)
    explained = {name.strip() for line in lines for name in line.split(",")}
    extras = [one for some in PROJECT["optional-dependencies"].values() for one in some]
    declared = [re.match(r"[\w-]+", one) for one in [*PROJECT["dependencies"], *extras]]
    assert sorted({found[0] for found in declared if found} - explained) == []


def test_the_newest_version_of_the_changelog_is_that_of_the_project() -> None:
    heads = re.findall(r"^## \[(.+)\](?: - (\S+))?$", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert heads[0] == ("Unreleased", "")
    assert heads[1][0] == PROJECT["version"]
    days = [date.fromisoformat(day) for _, day in heads[1:]]
    assert days == sorted(days, reverse=True)
    kinds = set(re.findall(r"^### (.+)$", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def unknown_commands(text: str) -> list[str]:
    """Commands of `freshet`, verbs of `make` and modules of `python -m tests…` that a page shows and nobody has."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a click group
    verbs = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    shown = "\n".join(code(text))
    asked = re.findall(r"(?<![\w.:/-])(?:\.venv/bin/)?freshet ([a-z][a-z-]+)(?: ([a-z]+))?", shown)
    unknown = [
        word for word, inner in asked if word not in commands or inner not in inner_commands(commands[word], inner)
    ]
    unknown += [verb for verb in re.findall(r"(?<![\w-])make ([a-z-]+)", shown) if verb not in verbs]
    for module in re.findall(r"python -m (tests(?:\.\w+)+)", shown):
        file = ROOT / module.replace(".", "/")
        if not (file.with_suffix(".py").exists() or (file / "__main__.py").exists()):
            unknown.append(module)
    return unknown


def inner_commands(command: Any, otherwise: str) -> set[str]:
    """What may follow a command of `freshet`: any word, unless it is a group."""
    return {"", *getattr(command, "commands", (otherwise,))}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    assert unknown_commands(text_of(page)) == []


@pytest.mark.parametrize("command", ["freshet fly", "freshet dlq burn", "make coffee", "python -m tests.bench.gone"])
def test_a_command_that_nobody_has_is_found(command: str) -> None:
    assert len(unknown_commands(f"Run `{command}`.")) == 1
    assert (
        unknown_commands("Run `freshet dlq ls`, `freshet search cats`, `make demo` and `python -m tests.bench`.") == []
    )


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_pages_use_the_words_of_the_field(page: Path) -> None:
    text = " ".join(CODE.sub("", prose(text_of(page))).split())  # what is quoted as code is not said by the page
    assert [text[max(0, found.start() - 40) : found.end() + 20] for found in PRIVATE_WORDS.finditer(text)] == []


@pytest.mark.parametrize("words", ["the poll comes again", "made anew", "a poll in hand", "there is fire, or is none"])
def test_a_private_word_is_found(words: str) -> None:
    assert PRIVATE_WORDS.search(words)
