"""What a Qdrant server in strict mode refuses, in its words."""

from collections.abc import Container, Sequence
from typing import Any

from qdrant_client import models

Strict = models.StrictModeConfigOutput


def check_upsert(strict: Strict, wanted: models.PointsList) -> None:
    """Raise ValueError where an upsert is too large, or its condition is."""
    _keep_to("upsert", len(wanted.points), strict.upsert_max_batchsize)
    parts = wanted.update_filter.should if wanted.update_filter else None
    _keep_to("filter conditions", 3 * len(parts or ()), strict.filter_max_conditions)  # type: ignore[arg-type]


def check_filtered_update(strict: Strict, condition: models.Filter, indexed: Container[str]) -> None:
    """The same of an update by filter, which has to be over indexed fields."""
    parts = condition.must if isinstance(condition.must, list) else []
    _keep_to("filter conditions", len(parts), strict.filter_max_conditions)
    for part in parts:
        if isinstance(part, models.HasIdCondition):
            _keep_to("condition size", len(part.has_id), strict.condition_max_size)
        is_unindexed = isinstance(part, models.FieldCondition) and part.key not in indexed
        if is_unindexed and strict.unindexed_filtering_update is False:
            raise ValueError(f"Bad request: Index required but not found for one of {condition.must}")


def check_queries(strict: Strict, searches: Sequence[models.QueryRequest]) -> None:
    """The same of a batch of queries."""
    _keep_to("search batch", len(searches), strict.search_max_batchsize)
    for one in searches:
        inner = one.prefetch if isinstance(one.prefetch, list) else []
        searched: list[Any] = [one, *inner]
        for search in searched:
            _keep_to("limit", search.limit or 0, strict.max_query_limit)
            ef = search.params.hnsw_ef if search.params else None
            _keep_to("hnsw_ef", ef or 0, strict.search_max_hnsw_ef)
        left_out = one.filter.must_not if one.filter else None
        for condition in left_out if isinstance(left_out, list) else []:
            ids = condition.has_id if isinstance(condition, models.HasIdCondition) else []
            _keep_to("condition size", len(ids), strict.condition_max_size)


def _keep_to(what: str, asked: int, most: int | None) -> None:
    if most is not None and asked > most:
        raise ValueError(f'Bad request: Limit exceeded {asked} > {most} for "{what}". Help: Reduce the {what}.')
