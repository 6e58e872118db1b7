"""The text models to choose from: their files, and how each cuts a text into the tokens that it knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.base import Precision, TextModelName
from encoders.models.manifest import E5_MODELS, MODELS, MULTILINGUAL_MODELS, TEXT_FOLDERS, checked_bytes
from encoders.models.session import Port
from encoders.models.unigram import Unigram

DIM = 384
INPUTS = (Port("input_ids", "int64", (None, None)), Port("attention_mask", "int64", (None, None)))
USE_INPUTS = (Port("use_ids", "int64", (None, None)), Port("use_mask", "int64", (None, None)))
OUTPUTS = (Port("text_vec", "float32", (None, DIM)),)  # the name `embedding` clashes with a node of the graph
TOKENS = 128  # MiniLM was trained on texts of at most 128 tokens; e5 reads 512
PIECES, SCORES = "text-e5.pieces.txt", "text-e5.scores.npy"
START, END, PADDING, UNKNOWN, MASK = 0, 2, 1, 3, 250001  # of XLM-R's vocabulary, which e5 has
PREFIX = "query:"  # e5 was trained with it before texts that are compared with each other
USE_PIECES, USE_SCORES = "text-use.pieces.txt", "text-use.scores.npy"
USE_UNKNOWN, USE_START, USE_END = 0, 1, 2  # of the vocabulary of the Universal Sentence Encoder
TOKENIZER = "tokenizer.json"

Tokens = Callable[[Sequence[str]], list[list[int]]]  # none for a text without a token that the model knows


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """One model: the encoder's name, its files, and the directions of its vectors that retrieval uses.

    key         of what it is made from, in the version of its vectors
    folder      where its files lie within the model folder; empty: in that itself
    tokens      opens what cuts texts, one for each vocabulary; a text that the first one leaves empty has no vector
    padding     the token that fills a row, by vocabulary
    projection  file of the directions that retrieval uses; empty: the first numbers are those that tell most
    inputs      of the graph: ids and mask, by vocabulary
    """

    name: str
    precision: Precision
    key: str
    folder: str
    file: str
    tokens: Callable[[Path], tuple[Tokens, ...]]
    padding: tuple[int, ...]
    projection: str = ""
    inputs: tuple[Port, ...] = INPUTS


def _e5_tokens(folder: Path) -> tuple[Tokens, ...]:
    cut = Unigram.read(folder / PIECES, folder / SCORES, UNKNOWN, (START, PADDING, END, MASK))
    before = [START, *cut(PREFIX, TOKENS)]
    room = TOKENS - len(before) - 1

    def tokens(texts: Sequence[str]) -> list[list[int]]:
        found = [cut(text, room) for text in texts]
        return [[] if cut.silent.issuperset(ids) else [*before, *ids, END] for ids in found]

    return (tokens,)


def _multilingual_tokens(folder: Path) -> tuple[Tokens, ...]:
    cut = Unigram.read(folder / USE_PIECES, folder / USE_SCORES, USE_UNKNOWN, (USE_START, USE_END))

    def tokens(texts: Sequence[str]) -> list[list[int]]:
        return [[USE_START, *cut(text, TOKENS - 2), USE_END] for text in texts]

    return (*_e5_tokens(folder), tokens)


def _minilm_tokens(folder: Path) -> tuple[Tokens, ...]:
    from tokenizers import Tokenizer  # here, since processes that only read the description do without its 6 MB

    tokenizer = Tokenizer.from_buffer(checked_bytes(folder / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS)
    silent = {tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]", "[UNK]", "[PAD]")}

    def tokens(texts: Sequence[str]) -> list[list[int]]:
        found = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
        return [[] if silent.issuperset(ids) else ids for ids in found]

    return (tokens,)


E5 = TextModel(
    name="text-e5",
    precision="int4",
    key=E5_MODELS,
    folder=TEXT_FOLDERS["e5"],
    file="text-e5.onnx",
    tokens=_e5_tokens,
    padding=(PADDING,),
    projection="projection-e5.npy",
)
MINILM = TextModel(
    name="text-minilm",
    precision="fp32",
    key=MODELS,
    folder="",
    file="text-minilm.onnx",
    tokens=_minilm_tokens,
    padding=(0,),
    projection="projection.npy",
)
MULTILINGUAL = TextModel(
    name="text-multilingual",
    precision="int4",
    key=MULTILINGUAL_MODELS,
    folder=TEXT_FOLDERS["multilingual"],
    file="text-multilingual.onnx",
    tokens=_multilingual_tokens,
    padding=(PADDING, USE_UNKNOWN),
    inputs=(*INPUTS, *USE_INPUTS),
)
TEXT_MODELS: dict[TextModelName, TextModel] = {"e5": E5, "minilm": MINILM, "multilingual": MULTILINGUAL}
