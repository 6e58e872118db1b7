"""Encoders that say how long they take: once for each batch of videos."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from encoders.base import Classified, Encoder, Vectors
from streams.metrics.measures import Measures


class TimedEncoder:
    """An encoder with a stop watch before its two verbs; whatever else it has is its own."""

    def __init__(self, encoder: Encoder[Any], modality: str, measures: Measures) -> None:
        self._encoder, self._measures = encoder, measures
        self._labels = {"modality": modality, "provider": getattr(encoder, "provider", "cpu")}

    def __getattr__(self, name: str) -> Any:  # of an encoder that a plugin may have made
        return getattr(self._encoder, name)

    def encode(self, batch: Sequence[Any]) -> Vectors:
        """The vectors of a batch."""
        began_s = time.perf_counter()
        vectors = self._encoder.encode(batch)
        self._note(began_s, len(batch))
        return vectors

    def classify(self, batch: Sequence[Any]) -> Classified:
        """Its vectors and the shares of the labels."""
        began_s = time.perf_counter()
        found: Classified = self.__getattr__("classify")(batch)
        self._note(began_s, len(batch))
        return found

    def _note(self, began_s: float, videos: int) -> None:
        self._measures.observe("freshet_encode_seconds", [time.perf_counter() - began_s], **self._labels)
        self._measures.count("freshet_encoded_videos_total", videos, **self._labels)


class TimedEncoders(Mapping[str, Encoder[Any]]):
    """The same encoders by modality, timed; each is opened when it is first asked for, as before."""

    def __init__(self, encoders: Mapping[str, Encoder[Any]], measures: Measures) -> None:
        self._encoders, self._measures = encoders, measures
        self._timed: dict[str, TimedEncoder] = {}

    def __getitem__(self, name: str) -> Encoder[Any]:
        if name not in self._timed:
            self._timed[name] = TimedEncoder(self._encoders[name], name, self._measures)
        return self._timed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._encoders)

    def __len__(self) -> int:
        return len(self._encoders)
