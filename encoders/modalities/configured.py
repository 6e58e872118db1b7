"""The modalities that the settings choose: the built-in ones, or those that a function named by a setting returns."""

from collections.abc import Mapping, Sequence
from typing import Any

from encoders.fusion.projection import columns_of
from encoders.modalities.modality import Modality, ModalityContext, ModalitySet, by_name, suffix_of
from encoders.modalities.registry import build
from encoders.models.manifest import folder_of
from schemas.settings.load import SettingsError
from schemas.settings.model import Settings
from schemas.settings.plugins import call_function

VARIABLE = "FRESHET_MODALITIES"
CACHE = "texts"  # folder of what replays have encoded


def modalities_of(settings: Settings, *, replaying: bool = False) -> ModalitySet:
    """Describe the modalities without opening a model; a SettingsError says what is wrong with a team's own.

    replaying  on the CPU, and in the mode in which the bits of a vector do not depend on its batch
    """
    context = ModalityContext(
        folder=folder_of(settings.cache_dir),
        provider="cpu" if replaying else settings.provider,
        exact=replaying,
        image_precision=settings.image_precision,
        text_model=settings.text_model,
        cache=settings.cache_dir / CACHE if replaying else None,
    )
    return modalities_in(context, settings.modalities)


def modalities_in(context: ModalityContext, place: str) -> ModalitySet:
    """The modalities that the function at `package.module:function` describes."""
    try:
        members = _members(place, call_function(VARIABLE, place, context))
        found = ModalitySet(members, suffix_of(members, build(context), context))
        columns_of(found, "concat")
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError(f"{VARIABLE}={place}: {error}") from error
    return found


def _members(place: str, returned: object) -> tuple[Modality[Any], ...]:
    if isinstance(returned, Mapping):
        returned = by_name(returned)
    if isinstance(returned, str) or not isinstance(returned, Sequence):
        kind = type(returned).__name__
        raise SettingsError(f"{VARIABLE}={place} returned a {kind} instead of a mapping or sequence of modalities.")
    for one in returned:
        if not isinstance(one, Modality):
            raise SettingsError(f"{VARIABLE}={place} returned a {type(one).__name__} among its modalities.")
    return tuple(returned)
