"""The encoders of a process, each opened once."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from encoders.base import Encoder, ModelError
from encoders.modalities.modality import Modality, ModalitySet


class OpenedEncoders(Mapping[str, Encoder[Any]]):
    """The encoders of a set of modalities by name; each is opened when it is first asked for, and kept."""

    def __init__(self, modalities: ModalitySet) -> None:
        self._modalities = {one.name: one for one in modalities}
        self._opened: dict[str, Encoder[Any]] = {}

    def __getitem__(self, name: str) -> Encoder[Any]:
        if name not in self._opened:
            self._opened[name] = opened(self._modalities[name])
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modalities)

    def __len__(self) -> int:
        return len(self._modalities)

    @property
    def in_memory(self) -> tuple[str, ...]:
        """The names of those that are open by now."""
        return tuple(self._opened)

    def open_all(self) -> Self:
        """Open every encoder now: a missing model is an error at the start, and no upload waits for one."""
        for name in self:
            self[name]
        return self


def opened(modality: Modality[Any]) -> Encoder[Any]:
    """The encoder of a modality; a ModelError where it is not what the modality describes."""
    encoder = modality.open()
    described, found = (modality.version, modality.dim), (encoder.version, encoder.dim)
    if described != found:
        raise ModelError(
            f"The modality {modality.name} describes version {described[0]} with {described[1]} dimensions, but its "
            f"encoder has version {found[0]} with {found[1]}: make them the same."
        )
    if modality.labels is not None and not (hasattr(encoder, "labels") and hasattr(encoder, "classify")):
        raise ModelError(
            f"The modality {modality.name} wants labels, but its encoder {encoder.name} gives none: give it `labels` "
            "and `classify`, or leave the rule out."
        )
    return encoder
