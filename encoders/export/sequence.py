"""Trains a sequence model and writes it as ONNX.

Kang & McAuley 2018, "Self-attentive sequential recommendation" (SASRec), with the whole softmax as its loss
(Klenitskiy & Vasilev 2023, "Turning dross into gold loss"). A video is the sum of a vector of its own and of what a
matrix makes of its retrieval vector; in training some videos lack the first, so that the second alone says something
of new ones.
"""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from encoders.export.checks import Report, accepted
from encoders.export.source.onnx_file import answered, save_onnx
from encoders.fusion.projection import RETRIEVAL_DIM as CONTENT_DIM
from encoders.models.sequence import DIM, FORMAT, INPUTS, LENGTH, OUTPUTS, REMEDY
from encoders.models.session import open_content

BLOCKS, HEADS = 2, 4
LEARNING_RATE, DROPOUT, WITHOUT_ID = 1e-3, 0.3, 0.2  # guesses, but for what docs/ranking.md says was tried
BATCH = 128  # pieces of sequences
MOST_EPOCHS, PATIENCE = 60, 3
MAX_DIFFERENCE = 1e-5  # between torch and the file
PARITY_SAMPLES = 32

Sequence_ = NDArray[np.int64]  # numbers of videos from 1, oldest first
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """A trained network, and the losses by which it was chosen: of the held-out people after each epoch."""

    net: "Network"
    epochs: int
    held_out: int
    losses: list[float] = field(default_factory=list)


class Batch(NamedTuple):
    """Pieces of sequences, padded in front with 0: what is known [B, 32], and what comes next at each place [B, 32]."""

    known: Any
    next: Any


class Network(nn.Module):
    """A causal transformer over videos.

    videos   int64 [B, 32], 0: none, or one without a number
    content  float32 [B, 32, 256], zero where there is none
    return   the person after the last one [B, 64], and the vectors of the videos [B, 32, 64]
    """

    def __init__(self, videos: int) -> None:
        super().__init__()
        self.table = nn.Embedding(videos + 1, DIM, padding_idx=0)
        self.of_content = nn.Linear(CONTENT_DIM, DIM, bias=False)
        self.place = nn.Parameter(torch.zeros(LENGTH, DIM))
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(DIM)
        nn.init.normal_(self.table.weight, std=DIM**-0.5)
        nn.init.normal_(self.of_content.weight, std=CONTENT_DIM**-0.5 / 4)
        nn.init.normal_(self.place, std=0.02)
        with torch.no_grad():
            self.table.weight[0] = 0

    def vectors(self, videos: Any, content: Any) -> Any:
        """The vectors of videos."""
        return self.table(videos) + self.of_content(content)

    def after_each(self, vectors: Any, is_video: Any) -> Any:
        """The person after each of their videos [B, 32, 64]."""
        causal = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
        itself = torch.eye(LENGTH, dtype=torch.bool)  # a place of no video looks at itself, so that nothing is NaN
        looks_at = (causal & is_video[:, None, :]) | itself  # [B, 32, 32]
        x = nn.functional.dropout(vectors * DIM**0.5 + self.place, DROPOUT, self.training)
        for block in self.blocks:
            x = block(x, looks_at)
        return self.norm(x)

    def forward(self, videos: Any, content: Any) -> Any:
        vectors = self.vectors(videos, content)
        is_video = (videos > 0) | (content != 0).any(-1)
        return self.after_each(vectors, is_video)[:, -1], vectors


class Block(nn.Module):
    """Attention, then a layer for each place, each added to what comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.queries_keys_values, self.out = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)
        self.wide, self.narrow = nn.Linear(DIM, 2 * DIM), nn.Linear(2 * DIM, DIM)

    def forward(self, x: Any, looks_at: Any) -> Any:
        size = x.shape[0]
        parts = self.queries_keys_values(self.before(x)).view(size, LENGTH, 3, HEADS, DIM // HEADS)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each [B, H, 32, 16]
        near = queries @ keys.transpose(-1, -2) * (DIM // HEADS) ** -0.5  # [B, H, 32, 32]
        share = torch.softmax(near.masked_fill(~looks_at[:, None], -1e9), -1)
        heard = (share @ values).transpose(1, 2).reshape(size, LENGTH, DIM)
        x = x + nn.functional.dropout(self.out(heard), DROPOUT, self.training)
        wide = nn.functional.gelu(self.wide(self.between(x)))
        return x + nn.functional.dropout(self.narrow(wide), DROPOUT, self.training)


def fit(
    sequences: Sequence[Sequence_], held: Sequence[Sequence_], content: Vectors, seed: int, report: Report
) -> Fitted:
    """Train until the loss of held-out people falls no more, then again for as long with everybody.

    sequences, held  of the others and of the held-out people, each of two videos or more
    content          retrieval vectors of the videos [V + 1, 256], zero where there is none; the first row is of none
    """
    torch.set_num_threads(1)  # so that the same seed gives the same file
    tried = _train(sequences, held, content, seed, MOST_EPOCHS, report)
    report(f"{tried.epochs} epochs, then the same with the {len(held)} held-out people")
    whole = _train([*sequences, *held], [], content, seed, tried.epochs, report)
    return Fitted(whole.net, tried.epochs, len(held), tried.losses)


def _train(
    sequences: Sequence[Sequence_], held: Sequence[Sequence_], content: Vectors, seed: int, epochs: int, report: Report
) -> Fitted:
    torch.manual_seed(seed)
    rng, of_video = np.random.default_rng(seed), torch.from_numpy(content)
    net, pieces = Network(len(content) - 1), batch_of([one for whole in sequences for one in pieces_of(whole)])
    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    best, best_epoch, losses = net, epochs, list[float]()
    for epoch in range(1, epochs + 1):
        net.train()
        order = rng.permutation(len(pieces.known))
        sums = [
            _step(net, optimiser, _some(pieces, order[at : at + BATCH]), of_video) for at in range(0, len(order), BATCH)
        ]
        said = f"epoch {epoch}: loss {np.mean(sums):.3f}"
        if held:
            losses.append(_held_out_loss(net, held, of_video))
            said += f", of held-out people {losses[-1]:.3f}"
            if losses[-1] <= min(losses):
                best, best_epoch = deepcopy(net), epoch
        report(said)
        if held and epoch - best_epoch >= PATIENCE:
            break
    return Fitted(best.eval(), best_epoch, len(held), losses)


def _step(net: Network, optimiser: Any, batch: Batch, content: Any) -> float:
    optimiser.zero_grad()
    has_id = torch.rand(content.shape[0], 1) >= WITHOUT_ID  # drawn by video, for all its places
    has_id |= ~(content != 0).any(-1, keepdim=True)
    loss = _loss(net, batch, content, net.table.weight * has_id)
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def _held_out_loss(net: Network, held: Sequence[Sequence_], content: Any) -> float:
    """Of the last video of each."""
    net.eval()
    whole = batch_of([one[-LENGTH - 1 :] for one in held])
    last = Batch(whole.known, torch.cat([torch.zeros_like(whole.next[:, :-1]), whole.next[:, -1:]], 1))
    with torch.no_grad():
        return float(_loss(net, last, content, net.table.weight))


def _loss(net: Network, batch: Batch, content: Any, ids: Any) -> Any:
    """The softmax over all videos, at each place where one comes next."""
    all_vectors = ids + net.of_content(content)  # [V + 1, 64]
    people = net.after_each(all_vectors[batch.known] * (batch.known > 0)[..., None], batch.known > 0)
    asked = batch.next > 0
    return nn.functional.cross_entropy(people[asked] @ all_vectors[1:].T, batch.next[asked] - 1)


def pieces_of(sequence: Sequence_) -> list[Sequence_]:
    """A sequence cut into pieces of 33 and less, of which each begins with the last video of the one before."""
    starts = range(0, max(1, len(sequence) - 1), LENGTH)
    return [sequence[start : start + LENGTH + 1] for start in starts]


def batch_of(pieces: Sequence[Sequence_]) -> Batch:
    """Pieces as one array."""
    known, following = np.zeros((2, len(pieces), LENGTH), np.int64)
    for row, piece in enumerate(pieces):
        known[row, LENGTH - len(piece) + 1 :], following[row, LENGTH - len(piece) + 1 :] = piece[:-1], piece[1:]
    return Batch(torch.from_numpy(known), torch.from_numpy(following))


def _some(batch: Batch, rows: NDArray[np.int64]) -> Batch:
    return Batch(batch.known[rows], batch.next[rows])


def write(net: Network, content: Vectors, path: Path, ids: Sequence[str], encoder: str, report: Report) -> float:
    """Write a trained network as one ONNX file; returns how far the two differ.

    ids      of the videos, by number
    encoder  version of the retrieval vectors, empty where there were none
    """
    served = deepcopy(net).eval()
    with torch.no_grad():  # a known video needs no content any more
        served.table.weight += served.of_content(torch.from_numpy(content))
    example = [torch.ones(1, LENGTH, dtype=torch.int64), torch.zeros(1, LENGTH, CONTENT_DIM)]
    save_onnx(served, example, path, INPUTS, OUTPUTS, {})
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"format": FORMAT, "videos": json.dumps([*ids]), "content": encoder})
    onnx.save(model, path)
    largest = _largest_difference(served, path, len(ids))
    accepted(path.name, largest, report, most=MAX_DIFFERENCE)
    return largest


def _largest_difference(net: Network, path: Path, videos: int) -> float:
    model, rng = open_content(path, path.read_bytes(), "cpu", 1, INPUTS, OUTPUTS, REMEDY), np.random.default_rng(0)
    largest = 0.0
    for count in rng.integers(1, LENGTH + 1, PARITY_SAMPLES).tolist():
        numbers, content = np.zeros((1, LENGTH), np.int64), np.zeros((1, LENGTH, CONTENT_DIM), np.float32)
        numbers[0, -count:] = rng.integers(0, videos + 1, count)
        drawn = rng.standard_normal((LENGTH, CONTENT_DIM)).astype(np.float32)
        content[0] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True) * (numbers[0] == 0)[:, None]
        content[0, :-count] = 0
        pairs = zip(model(numbers, content), answered(net, numbers, content), strict=True)
        largest = max(largest, *(float(np.abs(served - trained).max()) for served, trained in pairs))
    return largest
