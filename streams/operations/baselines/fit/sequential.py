"""SASRec, by RecTools: a transformer that predicts the next video of a sequence of finishes.

Kang & McAuley 2018, "Self-attentive sequential recommendation"; with the whole softmax as its loss (Klenitskiy &
Vasilev 2023, "Turning dross into gold loss"). It is trained until the loss of the last finish of held-out people does
not fall any more, and then again, for as many epochs, with these finishes.
"""

import sys
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import Callback, EarlyStopping
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

from streams.operations.baselines.exchange import Floats, NextFinish

FACTORS, BLOCKS, ATTENTION_HEADS = 64, 2, 4
LONGEST = 16  # finishes of a person that count, the newest; few have more
LEARNING_RATE, DROPOUT = 3e-4, 0.5  # with 1e-3 and 0.2 held-out people's loss rises after two epochs
HELD_OUT = 5  # of the people with three finishes and more one in so many is held out
MOST_EPOCHS, PATIENCE = 200, 5
USUAL_EPOCHS = 8  # where nobody can be held out: as many as on KuaiRand
CHUNK = 256  # people whose scores are made at once
SEED = 0


def sasrec(asked: NextFinish) -> Floats:
    """Scores of all videos; people of whose videos it knows none get popular ones."""
    warnings.filterwarnings("ignore")
    finishes = frame(asked)
    try:
        epochs = _best_epochs(finishes)
    except RuntimeError as error:
        if "val_loss" not in str(error):
            raise
        epochs = USUAL_EPOCHS
        sys.stderr.write(f"  SASRec: {epochs} epochs, since nobody can be held out whose last video others finished\n")
    return _scores(_fit(finishes, [], epochs, is_validated=False), finishes, asked)


def _best_epochs(finishes: pd.DataFrame) -> int:
    """After how many epochs the loss of held-out people is least."""
    trainer = _fit(finishes, [EarlyStopping("val_loss", patience=PATIENCE)], MOST_EPOCHS, is_validated=True).fit_trainer
    stopping = trainer.early_stopping_callback  # RecTools trains with a copy of what it is given
    epochs = int(max(1, trainer.current_epoch - stopping.wait_count))
    sys.stderr.write(f"  SASRec: {epochs} epochs, loss of held-out people {float(stopping.best_score):.3f}\n")
    return epochs


def frame(asked: NextFinish) -> pd.DataFrame:
    """The finishes as RecTools takes them."""
    times = pd.to_datetime(asked.at_ms, unit="ms")
    columns = {Columns.User: asked.people, Columns.Item: asked.videos, Columns.Datetime: times, Columns.Weight: 1.0}
    return pd.DataFrame(columns)


def held_out(finishes: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Whether each finish is the last one of somebody who is held out."""
    people = finishes[Columns.User]
    from_last = finishes.groupby(people).cumcount(ascending=False)
    count = people.groupby(people).transform("size")
    chosen = (from_last == 0) & (count >= 3) & (people % HELD_OUT == 0)
    return np.asarray(chosen)


def _fit(finishes: pd.DataFrame, callbacks: list[Callback], epochs: int, *, is_validated: bool) -> SASRecModel:
    seed_everything(SEED)
    model = SASRecModel(
        n_factors=FACTORS, n_blocks=BLOCKS, n_heads=ATTENTION_HEADS, session_max_len=LONGEST, loss="softmax",
        lr=LEARNING_RATE, dropout_rate=DROPOUT,
        get_val_mask_func=held_out if is_validated else None,
        get_trainer_func=_trainer_of(callbacks, epochs), recommend_torch_device="cpu",
    )  # fmt: skip
    return model.fit(Dataset.construct(finishes))


def _trainer_of(callbacks: list[Callback], epochs: int) -> Callable[[], Trainer]:
    """A function with a name, as RecTools asks for one."""

    def trainer() -> Trainer:
        return Trainer(
            accelerator="cpu", devices=1, max_epochs=epochs, callbacks=callbacks, deterministic=True,
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, logger=False,
        )  # fmt: skip

    return trainer


def _scores(model: SASRecModel, finishes: pd.DataFrame, asked: NextFinish) -> Floats:
    """What the model says of all videos that it knows; others stand below them, the popular first [P, V]."""
    popularity = np.bincount(asked.videos, minlength=int(asked.sizes[1])).astype(np.float32)
    found = np.tile(popularity / (1 + popularity.max()) - 1, (len(asked.targets), 1))  # in [-1, 0)
    dataset, known = Dataset.construct(finishes), model.data_preparator.get_known_item_ids()
    for start in range(0, len(asked.targets), CHUNK):
        people = asked.targets[start : start + CHUNK]
        said = model.recommend(people, dataset, k=len(known), filter_viewed=False, on_unsupported_targets="ignore")
        row = pd.Series(np.arange(start, start + len(people)), people)
        score = said[Columns.Score].to_numpy()
        found[row[said[Columns.User]].to_numpy(), said[Columns.Item].to_numpy()] = score - said_least(said, score)
    return found


def said_least(said: pd.DataFrame, score: Floats) -> Floats:
    """The least score of the person of each line, so that what is said stands at 0 and above."""
    return np.asarray(pd.Series(score).groupby(said[Columns.User].to_numpy()).transform("min"))
