"""What the pages of the documentation name: links, paths, names in the code, commands; and whether these exist."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "DECISIONS.md")
PAGES = sorted([*(ROOT / name for name in TOP), *(ROOT / "docs").rglob("*.md")])

FENCE = re.compile(r"^```.*?^```\s*?$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
OURS = re.compile(
    r"((?:schemas|encoders|ranker|streams|tests|docs|requirements|deploy)/[\w./-]*"
    r"|[A-Z]+\.md|Makefile|Dockerfile|pyproject\.toml|docker-compose\.yml|\.ci/run)(?::([\w.]+))?"
)
ABSOLUTE = ("http:", "https:", "mailto:")


class Place(NamedTuple):
    """A file or folder that a page names, and a function, class or member in it; empty where it names none."""

    path: str
    name: str


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", text)


def code(text: str) -> Iterator[str]:
    """Everything on a page that is set as code: blocks and words."""
    yield from (found[0] for found in FENCE.finditer(text))
    yield from (found[1] for found in CODE.finditer(prose(text)))


def named(text: str) -> list[Place]:
    """The places in this repository that a page names in code words.

    >>> named("See `ranker/profile/fold.py:fold`, `README.md` and `pip install`.")
    [Place(path='ranker/profile/fold.py', name='fold'), Place(path='README.md', name='')]
    """
    found = (OURS.fullmatch(one[1]) for one in CODE.finditer(prose(text)))
    return [Place(one[1], one[2] or "") for one in found if one]


def fault_of(place: Place) -> str | None:
    """Why a place does not exist, or None."""
    path = ROOT / place.path
    if not path.exists():
        return f"{place.path} is missing"
    if place.name and place.name not in defined(path):
        return f"{place.path} defines no {place.name}"
    return None


@cache
def defined(path: Path) -> frozenset[str]:
    """Names that a module defines, and members of its classes as `Class.member`."""
    body = ast.parse(path.read_text("utf-8")).body
    inside = (f"{one.name}.{name}" for one in body if isinstance(one, ast.ClassDef) for name in names_in(one.body))
    return frozenset([*names_in(body), *inside])


def names_in(body: list[ast.stmt]) -> Iterator[str]:
    """What the statements of a module or class define.

    >>> sorted(names_in(ast.parse("A, b = 1, 2\\nc: int = 3\\ndef d(): ...").body))
    ['A', 'b', 'c', 'd']
    """
    for one in body:
        match one:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield one.name
            case ast.Assign(targets=targets):
                yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


class Broken(NamedTuple):
    """A relative link that leads nowhere."""

    target: str
    file: Path
    why: str


def broken_links(page: Path, text: str) -> list[Broken]:
    """Relative links of a page whose file or heading does not exist."""
    targets = [target for target in LINK.findall(prose(text)) if not target.startswith(ABSOLUTE)]
    return [broken for target in targets if (broken := _broken(page, text, target))]


def _broken(page: Path, text: str, target: str) -> Broken | None:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if path and not file.exists():
        return Broken(target, file, "there is no such file")
    if anchor and anchor not in anchors(file.read_text("utf-8") if path else text):
        return Broken(target, file, "there is no such heading")
    return None


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them.

    >>> sorted(anchors("# What `make bench` measures, and how\\n## In Qdrant\\n## In Qdrant"))
    ['in-qdrant', 'in-qdrant-1', 'what-make-bench-measures-and-how']
    """
    found: dict[str, int] = {}
    for heading in HEADING.findall(prose(text)):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {f"{slug}-{n}" if n else slug for slug, last in found.items() for n in range(last + 1)}
