"""Text to one vector: all-MiniLM-L6-v2, without torch."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from platform import machine

import numpy as np

from encoders.annotate.tags import MAX_TOPICS, MIN_TOPIC_COSINE, TOPICS, Topics
from encoders.base import Classified, Vectors
from encoders.fusion.projection import PROJECTION, read_directions
from encoders.modalities.modality import REST, LabelRule, Modality, ModalityContext
from encoders.modalities.text_cache import TextCache
from encoders.models.manifest import MODELS, checked_bytes, read
from encoders.models.session import Port, Provider, open_model, runtime_version
from schemas.messages.plain_text import plain_text

DIM = 384
INPUTS = (Port("input_ids", "int64", (None, None)), Port("attention_mask", "int64", (None, None)))
OUTPUTS = (Port("text_vec", "float32", (None, DIM)),)  # the name `embedding` clashes with a node of the graph
FILE = "text-minilm.onnx"
TOKENIZER = "tokenizer.json"

TOKENS = 128  # the model was trained on texts of at most 128 tokens
CHARS = 8192  # far more than 128 tokens of any language need; keeps a huge text from costing time
ROWS = 32  # measured, 1 thread, 256 film titles: 8, 16 and 32 rows cost about the same
LENGTHS = (4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 112, 128)  # a call is padded to one of these
REMEMBERED = 4096  # texts, 1.5 KiB each; a guess


def modality(context: ModalityContext) -> Modality[str]:
    """What an upload says about itself, in one text."""
    return Modality(
        name="text",
        dim=DIM,
        version=f"fp32-{MODELS}",
        read=lambda content: content.text,
        open=lambda: TextEncoder(
            context.folder,
            provider=context.provider,
            threads=context.threads,
            exact=context.exact,
            topics=TOPICS,
            cache=context.cache,
        ),
        labels=LabelRule("topic", MIN_TOPIC_COSINE, MAX_TOPICS),
        columns=REST,
        directions=partial(read_directions, context.folder / PROJECTION),
    )


class TextEncoder:
    """Texts to unit vectors: the mean of MiniLM's token vectors (Reimers & Gurevych 2019, arXiv:1908.10084).

    batch   str or None; cut at 128 tokens
    return  float32 [N, 384], L2 norm 1; None, and a text without a known token, gets a zero row

    exact   one text a call, unpadded: a vector's bits depend on its text alone. Otherwise texts of similar
            length share a call: 1.6 to 1.9 times as fast on film titles, and within 1e-7 of the exact vector.
    topics  descriptions by name, encoded once: the labels of `classify`
    cache   folder in which vectors are kept between runs, where they depend on their texts alone
    """

    name = "text-minilm"
    dim = DIM

    def __init__(
        self,
        folder: Path,
        *,
        provider: Provider = "auto",
        threads: int = 1,
        exact: bool = False,
        topics: Mapping[str, str] | None = None,
        cache: Path | None = None,
    ) -> None:
        from tokenizers import Tokenizer  # here, since processes that only read the description do without its 6 MB

        self._model = open_model(folder / FILE, provider=provider, threads=threads, inputs=INPUTS, outputs=OUTPUTS)
        self._tokenizer = Tokenizer.from_buffer(checked_bytes(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(TOKENS)
        self._silent = {self._tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]", "[UNK]", "[PAD]")}
        self._exact = exact
        self._recent: dict[str, Vectors] = {}
        self.version = f"fp32-{read(folder).key}"
        self.provider = self._model.provider
        made_by = f"{self.name}-{self.version}-onnxruntime-{runtime_version()}-{machine()}"
        self._kept = TextCache(cache / f"{made_by}.sqlite") if cache and self._exact else None
        self._topics = Topics.of(self, topics or {})

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
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        vectors = np.zeros((len(texts), DIM), np.float32)
        telling = [index for index, ids in enumerate(rows) if not self._silent.issuperset(ids)]
        for call, length in _calls(telling, [len(ids) for ids in rows], self._exact):
            ids = np.zeros((len(call), length), np.int64)  # [B, T], 0 is [PAD]
            mask = np.zeros((len(call), length), np.int64)
            for row, index in enumerate(call):
                ids[row, : len(rows[index])] = rows[index]
                mask[row, : len(rows[index])] = 1
            vectors[call] = self._model(ids, mask)[0]  # [B, 384]
        return vectors


def _cleaned(text: str | None) -> str:
    """A text in letters that the tokenizer knows, without lone surrogates, not too long; "" for None."""
    return plain_text((text or "")[:CHARS])[:CHARS].encode("utf-8", "replace").decode("utf-8").strip()


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
