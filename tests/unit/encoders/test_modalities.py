"""Sets of modalities: what they may hold, where each lies in the one space, and what their versions say."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from encoders.base import ModelError
from encoders.fusion.fusion import load_fusion
from encoders.fusion.projection import columns_of, maps_of
from encoders.modalities.configured import modalities_in, modalities_of
from encoders.modalities.modality import (
    REST,
    Description,
    LabelRule,
    Modality,
    ModalityContext,
    ModalitySet,
    Scale,
    fingerprint,
)
from encoders.modalities.opened import OpenedEncoders, opened
from encoders.modalities.registry import build
from encoders.models.manifest import MODELS, TEXT_FOLDERS
from schemas.settings.load import SettingsError
from schemas.settings.model import Settings
from tests.support.models import built_in

CONTEXT = ModalityContext(folder=Path())
RULE, SAID = LabelRule("kind", 0.5), Description("{}", 3)


class Silent:
    """An encoder that never has anything to say."""

    name, version, dim = "silent", "1", 4

    def encode(self, batch: Any, /) -> Any:
        return np.zeros((len(batch), 4), np.float32)


def modality(name: str = "extra", **more: Any) -> Modality[Any]:
    fields: dict[str, Any] = {"dim": 4, "version": "1", "read": lambda _: None, "open": Silent, "columns": 4}
    return Modality(name=name, **{**fields, **more})


def with_image(context: ModalityContext, **changes: Any) -> list[Modality[Any]]:
    """The built-in modalities, that of pictures with changes."""
    return [replace(one, **changes) if one.name == "image" else one for one in build(context)]


@pytest.fixture
def own() -> Iterator[Callable[[Callable[[ModalityContext], object]], str]]:
    """Makes a module with a function that builds modalities; returns what a setting would name."""

    def made(function: Callable[[ModalityContext], object]) -> str:
        module = ModuleType("somebodys_modalities")
        module.build = function  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module
        return "somebodys_modalities:build"

    yield made
    sys.modules.pop("somebodys_modalities", None)


Own = Callable[[Callable[[ModalityContext], object]], str]


def test_the_built_in_modalities_are_text_pictures_and_sound() -> None:
    assert built_in().dims == {"text": 384, "image": 1280, "audio": 200}
    assert built_in().same == {"image": 0.97, "audio": 0.97}  # a text is no evidence of a re-upload
    assert modalities_of(Settings()).dims == built_in().dims


def test_another_built_in_set_needs_another_key_of_the_models() -> None:
    """Where this fails, raise EXPORTER: retrieval vectors of both sets would have one version. Then put both here."""
    said = [one.version.rpartition("-")[2] for one in built_in().described]
    found = fingerprint(build(CONTEXT), build(CONTEXT))
    assert (MODELS, found, *said) == ("9b8b995a53711f63", "d113b3f2", "ffc54f41", "f26ffddb")


def test_the_columns_are_those_of_ever() -> None:
    concat = {"text": slice(0, 192), "image": slice(192, 240), "audio": slice(240, 256)}
    assert columns_of(built_in(), "concat") == concat
    assert columns_of(built_in(), "mean") == concat | {"text": slice(0, 256)}


def test_the_text_leaves_columns_to_a_further_modality() -> None:
    four = ModalitySet((*built_in(), modality(columns=8, dim=9)))
    assert columns_of(four, "concat")["text"] == slice(0, 184)
    assert columns_of(four, "mean")["extra"] == slice(248, 256)


def test_without_directions_the_first_numbers_of_a_vector_go_into_its_columns() -> None:
    maps = maps_of(ModalitySet((modality(dim=6, columns=4), modality("other", columns=4))), "concat")
    assert maps["extra"][:4, :4].tolist() == np.eye(4).tolist() and maps["extra"].sum() == 4


def test_directions_of_another_shape_are_refused() -> None:
    wide = modality(directions=lambda width: np.zeros((4, width + 1), np.float32))
    with pytest.raises(ModelError, match=r"extra gives directions of the shape \(4, 5\) instead of \(4, 4\)"):
        load_fusion(ModalitySet((wide,)))
    with pytest.raises(ModelError, match=r"extra gives directions of the shape \(4, 4\) instead of \(4, 9\)"):
        load_fusion(ModalitySet((modality(columns=9),)))


@pytest.mark.parametrize("name", ["", "Text", "a b", "retrieval", "fused", "1st", "x" * 33, "a.b"])
def test_a_name_that_something_else_has_or_could_not_stand_in_a_command_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="A modality cannot be called"):
        modality(name)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (7, "returned a int instead of a mapping or sequence of modalities"),
        ("text", "returned a str instead of"),
        (None, "returned a NoneType instead of"),
        ([modality(), "text"], "returned a str among its modalities"),
        ([], "The modalities are none: give at least one"),
        ([modality(), modality()], "The modalities are extra, extra: give at least one, each name once"),
        ({"other": modality()}, "The modality extra stands under the name 'other'"),
        (
            [*build(CONTEXT), modality("image_text")],
            "A modality is called image_text, as are the vectors of what image says",
        ),
        ([*build(CONTEXT), modality("audio_text")], "give it another name, or audio no `described`"),
        ([modality(columns=200), modality("b", columns=100)], "want 300 of the 256 columns"),
        ([modality(columns=REST), modality("b", columns=REST)], "and extra, b the rest"),
        ([modality(columns=REST), modality("b", columns=256)], "want 256 of the 256 columns, and extra the rest"),
    ],
)
def test_a_set_that_cannot_be_used_is_refused_in_a_sentence_that_names_the_setting(
    own: Own, returned: object, said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        modalities_in(CONTEXT, own(lambda _: returned))
    assert str(refused.value).startswith("FRESHET_MODALITIES=somebodys_modalities:build")


def test_a_description_that_is_refused_while_it_is_made_is_told_with_the_setting(own: Own) -> None:
    with pytest.raises(SettingsError, match=r"build failed \(ValueError: A modality cannot be called 'Big'"):
        modalities_in(CONTEXT, own(lambda _: [modality("Big")]))


@pytest.mark.parametrize("shape", [list, tuple, lambda found: {one.name: one for one in found}])
def test_a_list_a_tuple_and_a_mapping_will_do(own: Own, shape: Callable[[Any], object]) -> None:
    found = modalities_in(CONTEXT, own(lambda context: shape([*build(context), modality()])))
    assert list(found.dims) == ["text", "image", "audio", "extra"]


def test_the_function_is_told_folder_provider_and_mode(own: Own, tmp_path: Path) -> None:
    given: list[ModalityContext] = []

    def note(context: ModalityContext) -> object:
        given.append(context)
        return build(context)

    settings = Settings(cache_dir=tmp_path, provider="cuda", image_precision="fp32", modalities=own(note))
    for replaying in (False, True):
        modalities_of(settings, replaying=replaying)
    assert [(one.provider, one.exact, one.image_precision) for one in given] == [
        ("cuda", False, "fp32"),
        ("cpu", True, "fp32"),
    ]
    assert {one.folder for one in given} == {tmp_path / "models" / MODELS}


def test_versions_tell_one_set_from_another(own: Own) -> None:
    def suffix(function: Callable[[ModalityContext], object], **more: Any) -> str:
        return modalities_in(ModalityContext(folder=Path(), **more), own(function)).suffix

    assert suffix(build) == built_in().suffix == ""  # the built-in ones, by name
    assert suffix(build, image_precision="fp32") == built_in(precision="fp32").suffix == "-fp32"
    for model, within in TEXT_FOLDERS.items():
        assert suffix(build, text_model=model) == f"-{within}"
        assert suffix(build, text_model=model, image_precision="fp32") == f"-{within}-fp32"
    ways: list[Callable[[ModalityContext], object]] = [
        lambda context: build(context)[:2],
        lambda context: [*build(context), modality()],
        lambda context: [*build(context), modality(version="2")],
        lambda context: [*build(context), modality(columns=3)],
        lambda context: [*build(context), modality(weight=2.0)],
        lambda context: [*build(context), modality("b")],
        lambda context: [*build(context), modality(labels=RULE, described=SAID)],
        lambda context: [*build(context), modality(labels=RULE, described=SAID._replace(most=4))],
        lambda context: [*build(context), modality(labels=RULE, described=SAID._replace(phrase="a {}"))],
        lambda context: [*build(context), modality(labels=RULE, described=SAID._replace(others=(("b", "a b"),)))],
        lambda context: with_image(context, described=None),
        lambda context: with_image(context, described=SAID),
    ]
    assert len({suffix(way) for way in ways} - {""}) == len(ways)


def test_what_decides_about_no_vector_leaves_the_version_as_it_is(own: Own) -> None:
    ways: list[Callable[[ModalityContext], object]] = [
        lambda context: [*build(context), modality()],
        lambda context: [*build(context), modality(described=SAID)],  # without labels nothing is said
        lambda context: [*build(context), modality(labels=RULE)],
    ]
    assert len({modalities_in(CONTEXT, own(way)).suffix for way in ways}) == 1
    scaled = [
        replace(one, described=one.described and one.described._replace(scale=Scale(9))) for one in build(CONTEXT)
    ]
    assert modalities_in(CONTEXT, own(lambda _: scaled)).suffix == ""


def test_an_encoder_that_is_not_what_its_modality_describes_is_refused_when_it_is_opened() -> None:
    for of in (modality(version="2"), modality(dim=5)):
        with pytest.raises(ModelError, match=r"describes version .* but its encoder has version 1 with 4"):
            opened(of)
    with pytest.raises(ModelError, match="extra wants labels, but its encoder silent gives none"):
        opened(modality(labels=LabelRule("kind", 0.5)))


def test_an_encoder_is_opened_once_and_only_when_it_is_asked_for() -> None:
    times: list[str] = []

    def opening() -> Silent:
        times.append("opened")
        return Silent()

    encoders = OpenedEncoders(ModalitySet((modality(open=opening), modality("other"))))
    assert times == [] and list(encoders) == ["extra", "other"] and len(encoders) == 2
    assert encoders["extra"] is encoders["extra"] and times == ["opened"]
    assert encoders.in_memory == ("extra",) and encoders.open_all().in_memory == ("extra", "other")


def test_vectors_count_as_current_by_name_and_version() -> None:
    found = built_in()
    assert found.is_current("image", f"image-efficientnet-lite0@int8-{MODELS}")
    assert not found.is_current("image", f"image-efficientnet-lite0@fp32-{MODELS}")
    assert found.is_outdated("image", f"image-efficientnet-lite0@fp32-{MODELS}")
    assert not found.is_current("letters", "letters@1") and not found.is_outdated("letters", "letters@1")
