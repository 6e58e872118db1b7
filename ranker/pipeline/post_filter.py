"""The last filter of all: what was withdrawn or limited since leaves a ready slate."""

from dataclasses import replace

from msgspec.structs import replace as changed

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline import filters
from ranker.pipeline.types import Slate


def drop_unavailable(slate: Slate, catalogue: Catalogue) -> Slate:
    """Take what was withdrawn or limited since out of a ready slate and close the ranks: the last filter of all.

    Limits are judged as in the filters: by the time at which the slate was asked for, and by whom the person follows.
    """
    if slate.retirements == catalogue.retirements:
        return slate
    there = [item for item in slate.items if item.video_id in catalogue.row_of]
    rows = catalogue.rows([item.video_id for item in there])
    fit = filters.unrestricted(rows, slate.now_ms, slate.follows, catalogue)
    shown = [item for item, fits in zip(there, fit, strict=True) if fits]
    if len(shown) == len(slate.items):
        return slate
    return replace(slate, items=[changed(item, rank=rank) for rank, item in enumerate(shown, 1)])
