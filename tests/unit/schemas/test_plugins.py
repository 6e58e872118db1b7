"""Functions that a setting names: how they are found, and what is said where they are not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.settings.load import SettingsError, load
from schemas.settings.plugins import call_function, load_function

MODULE = """
number = 7

def build(context):
    return [context]

def fails(context):
    raise KeyError("no such thing")
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with a module that works, one that asks for what is not installed, and one that fails."""
    package = tmp_path / "somebodys"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "feed": MODULE,
        "asks": "import nothing_of_this_name",
        "breaks": "1 / 0",
        "torn": "def build(",
    }.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "somebodys"]:
        del sys.modules[name]


def test_a_function_of_a_module_outside_is_loaded_and_called() -> None:
    assert load_function("FRESHET_FEED", "somebodys.feed:build")(3) == [3]
    assert call_function("FRESHET_FEED", "somebodys.feed:build", "context") == ["context"]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nobodys:build", "FRESHET_FEED=nobodys:build: there is no module nobodys; install it into Freshet's"),
        ("nobodys.feed:build", "there is no module nobodys; install it"),
        ("somebodys.nothing:build", "there is no module somebodys.nothing; install it"),
        ("somebodys.asks:build", r"somebodys.asks cannot be imported \(No module named 'nothing_of_this_name'\)"),
        ("somebodys.breaks:build", r"somebodys.breaks cannot be imported \(ZeroDivisionError: division by zero\)"),
        ("somebodys.torn:build", r"somebodys.torn cannot be imported \(SyntaxError: "),
        ("somebodys.feed:bild", "somebodys.feed has no bild; the nearest function is build"),
        ("somebodys.feed:number", "number is of the type int, not a function"),
        ("somebodys.feed:zzz", "somebodys.feed has no zzz\\."),
    ],
)
def test_what_cannot_be_loaded_is_said_in_a_sentence(place: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        load_function("FRESHET_FEED", place)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_a_function_that_fails_is_named_with_its_own_words() -> None:
    with pytest.raises(SettingsError, match=r"FRESHET_FEED=somebodys.feed:fails failed \(KeyError: 'no such thing'\)"):
        call_function("FRESHET_FEED", "somebodys.feed:fails", None)


@pytest.mark.parametrize(
    "value",
    ["letters", "letters.build", "a:b:c", ":build", "letters:", "1a:b", "a..b:c", "a:b ", "./a.py:b", "a:b.c", ""],
)
def test_a_setting_of_another_form_is_refused_before_anything_is_imported(value: str) -> None:
    with pytest.raises(SettingsError, match=r"FRESHET_MODALITIES cannot be .*: it should be package\.module:function"):
        load({}, {"FRESHET_MODALITIES": value}, None)
