"""The post-filter: removes from a finished slate what was withdrawn or limited after it was ranked."""

from dataclasses import replace

from msgspec.structs import replace as changed

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline import filters
from ranker.pipeline.types import Slate


def drop_unavailable(slate: Slate, catalogue: Catalogue) -> Slate:
    """Remove what was withdrawn or limited since from a finished slate, and close the gaps in the ranks.

    Limits are judged as the filters judge them: at the event time of the query, and by whom the person follows.
    """
    if slate.retirements == catalogue.retirements:
        return slate
    active = [item for item in slate.items if item.video_id in catalogue.row_of]
    rows = catalogue.rows([item.video_id for item in active])
    unrestricted = filters.unrestricted(rows, slate.now_ms, slate.follows, catalogue)
    shown = [item for item, may_be_shown in zip(active, unrestricted, strict=True) if may_be_shown]
    if len(shown) == len(slate.items):
        return slate
    return replace(slate, items=[changed(item, rank=rank) for rank, item in enumerate(shown, 1)])
