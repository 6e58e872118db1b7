"""Text to one vector, by the model that is chosen."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from platform import machine

import numpy as np
from numpy.typing import NDArray

from encoders.annotate.tags import MAX_TOPICS, MIN_TOPIC_COSINES, Topics, built_in_topics
from encoders.base import Classified, TextModelName, Vectors
from encoders.fusion.projection import read_directions
from encoders.modalities.modality import DEFAULT_TEXT_MODEL, REST, LabelRule, Modality, ModalityContext
from encoders.modalities.text_cache import TextCache
from encoders.modalities.text_models import DIM, OUTPUTS, TEXT_MODELS
from encoders.models.manifest import read
from encoders.models.session import Provider, open_model, runtime_version
from schemas.messages.plain_text import plain_text

CHARS = 8192  # far more than 128 tokens of any language need; keeps a huge text from costing time
ROWS = 32  # measured, 1 thread, 256 film titles: 8, 16 and 32 rows cost about the same
LENGTHS = (4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 112, 128)  # a call is padded to one of these
REMEMBERED = 4096  # texts, 1.5 KiB each; a guess


def modality(context: ModalityContext) -> Modality[str]:
    """What an upload says about itself, in one text."""
    model = TEXT_MODELS[context.text_model]
    return Modality(
        name="text",
        dim=DIM,
        version=f"{model.precision}-{model.key}",
        read=lambda content: content.text,
        open=lambda: TextEncoder(
            context.folder,
            model=context.text_model,
            provider=context.provider,
            threads=context.threads,
            exact=context.exact,
            topics=built_in_topics(context.text_model),
            cache=context.cache,
        ),
        labels=LabelRule("topic", MIN_TOPIC_COSINES[context.text_model], MAX_TOPICS),
        reads_words=True,
        columns=REST,
        directions=partial(read_directions, context.folder / model.folder / model.projection)
        if model.projection
        else None,
    )


class TextEncoder:
    """Texts to unit vectors: the mean of a transformer's token vectors (Reimers & Gurevych 2019, arXiv:1908.10084).

    batch   str or None; cut at 128 tokens
    return  float32 [N, 384], L2 norm 1; None, and a text without a known token, gets a zero row

    model   "multilingual" or "e5" for a hundred languages, "minilm" for English
    exact   one text a call, unpadded: a vector's bits depend on its text alone. Otherwise texts of similar
            length share a call: 1.2 to 1.9 times as fast on titles, and within 1e-7 of the exact vector.
    topics  their vectors, or descriptions by name, which are encoded once: the labels of `classify`
    cache   folder in which vectors are kept between runs, where they depend on their texts alone
    """

    dim = DIM

    def __init__(
        self,
        folder: Path,
        *,
        model: TextModelName = DEFAULT_TEXT_MODEL,
        provider: Provider = "auto",
        threads: int = 1,
        exact: bool = False,
        topics: Topics | Mapping[str, str] | None = None,
        cache: Path | None = None,
    ) -> None:
        chosen = TEXT_MODELS[model]
        place = folder / chosen.folder
        self.name = chosen.name
        self._model = open_model(
            place / chosen.file, provider=provider, threads=threads, inputs=chosen.inputs, outputs=OUTPUTS
        )
        self._cutters, self._padding = chosen.tokens(place), chosen.padding
        self._exact = exact
        self._recent: dict[str, Vectors] = {}
        self.version = f"{chosen.precision}-{read(place).key}"
        self.provider = self._model.provider
        made_by = f"{self.name}-{self.version}-onnxruntime-{runtime_version()}-{machine()}"
        self._kept = TextCache(cache / f"{made_by}.sqlite") if cache and self._exact else None
        self._topics = topics if isinstance(topics, Topics) else Topics.of(self, topics or {})

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the topics."""
        return self._topics.names

    def classify(self, batch: Sequence[str | None], /) -> Classified:
        """The vectors of `encode`, and float32 [N, T], their cosines to the topics' descriptions."""
        vectors = self.encode(batch)
        return Classified(vectors, self._topics.cosines(vectors))

    def forget(self) -> None:
        """Drop the remembered vectors, so that the next answer is computed."""
        self._recent.clear()
        self._kept = None

    def encode(self, batch: Sequence[str | None], /) -> Vectors:
        texts = [_cleaned(text) for text in batch]
        known = self._vectors(list(dict.fromkeys(text for text in texts if text)))
        rows = [known[text] if text else np.zeros(DIM, np.float32) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, DIM), np.float32)  # [N, 384]

    def _vectors(self, texts: list[str]) -> dict[str, Vectors]:
        """Each text's vector, remembered where it was encoded recently; the newest are kept."""
        found = {text: self._recent.pop(text, None) for text in texts}
        fresh = [text for text, vector in found.items() if vector is None]
        vectors = {text: vector for text, vector in found.items() if vector is not None}
        vectors.update(self._kept_or_computed(fresh))
        self._recent.update(vectors)
        for old in list(self._recent)[:-REMEMBERED]:
            self._recent.pop(old, None)
        return vectors

    def _kept_or_computed(self, texts: list[str]) -> dict[str, Vectors]:
        found = self._kept.find(texts) if self._kept else {}
        absent = [text for text in texts if text not in found]
        made = dict(zip(absent, self._computed(absent), strict=True))
        if self._kept:
            self._kept.keep(made)
        return found | made

    def _computed(self, texts: list[str]) -> Vectors:
        cut = [tokens(texts) for tokens in self._cutters]  # by vocabulary
        vectors = np.zeros((len(texts), DIM), np.float32)
        lengths = [len(ids) for ids in cut[0]]
        for call, length in _calls([index for index, count in enumerate(lengths) if count], lengths, self._exact):
            arrays = _filled([cut[0][index] for index in call], length, self._padding[0])
            for rows, padding in zip(cut[1:], self._padding[1:], strict=True):
                others = [rows[index] for index in call]
                longest = max(map(len, others))
                arrays += _filled(others, longest if self._exact else _padded(longest), padding)
            vectors[call] = self._model(*arrays)[0]  # [B, 384]
        return vectors


def _cleaned(text: str | None) -> str:
    """A text in letters that the tokenizer knows, without lone surrogates, not too long; "" for None."""
    return plain_text((text or "")[:CHARS])[:CHARS].encode("utf-8", "replace").decode("utf-8").strip()


def _filled(rows: list[list[int]], length: int, padding: int) -> list[NDArray[np.int64]]:
    """Ids and mask [B, T] of so many texts.

    >>> [array.tolist() for array in _filled([[7, 8], [9]], 2, padding=1)]
    [[[7, 8], [9, 1]], [[1, 1], [1, 0]]]
    """
    ids, mask = np.full((len(rows), length), padding, np.int64), np.zeros((len(rows), length), np.int64)
    for row, found in enumerate(rows):
        ids[row, : len(found)], mask[row, : len(found)] = found, 1
    return [ids, mask]


def _calls(indices: list[int], lengths: list[int], exact: bool) -> Iterator[tuple[list[int], int]]:
    """Cut texts into calls, each with the length it is padded to.

    >>> list(_calls([0, 1, 2], [9, 30, 10], exact=False))
    [([0, 2], 10), ([1], 32)]
    >>> list(_calls([0, 1, 2], [9, 30, 10], exact=True))
    [([0], 9), ([1], 30), ([2], 10)]
    """
    if exact:
        yield from (([index], lengths[index]) for index in indices)
        return
    groups: dict[int, list[int]] = {}
    for index in indices:
        groups.setdefault(_padded(lengths[index]), []).append(index)
    for length, group in sorted(groups.items()):
        yield from ((group[start : start + ROWS], length) for start in range(0, len(group), ROWS))


def _padded(length: int) -> int:
    return next(step for step in LENGTHS if step >= length)
