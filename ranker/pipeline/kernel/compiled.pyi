"""The compiled loops. What they do is said by their NumPy forms, and their arguments in calls.py and in the C files."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

VERSION: int

def people(
    query: Array,
    rows: Array,
    weights: Array,
    strength: Array,
    starts: Array,
    has_vector: Array,
    order: Array,
    creator: Array,
    count: int,
    videos: Array,
    strengths: Array,
    following: Array,
    keys: Array,
    watches: Array,
    favourites: Array,
    /,
) -> int: ...
def hashed(keys: Array, shift: int, table: Array, /) -> None: ...
def find(
    keys: Array, table: Array, shift: int, query: Array, numbers: Array, which: Array, places: Array, /
) -> int: ...
def merge(
    rows: Array,
    query: Array,
    lengths: Array,
    order: Array,
    by_id: Array,
    keys: Array,
    merged_rows: Array,
    merged_query: Array,
    words: Array,
    bounds: Array,
    /,
) -> int: ...
def keep(
    rejected_by: Array,
    passed: int,
    keys: Array,
    rows: Array,
    query: Array,
    words: Array,
    kept_keys: Array,
    kept_rows: Array,
    kept_query: Array,
    kept_words: Array,
    bounds: Array,
    /,
) -> int: ...
def columns(
    rows: Array,
    query: Array,
    trend: Array,
    popularity: Array,
    now_ms: Array,
    at_ms: Array,
    duration_ms: Array,
    creator: Array,
    keys: Array,
    table: Array,
    shift: int,
    watches: Array,
    values: Array,
    /,
) -> None: ...
def logits(values: Array, weights: Array, bias: Array, count: int, found: Array, /) -> None: ...
def gather(vectors: Array, width: int, rows: Array, out: Array, /) -> None: ...
def pools(score: Array, bounds: Array, pool: Array, gain: Array, /) -> None: ...
def mmr(
    gain: Array,
    similarity: Array,
    relevance: float,
    penalty: float,
    groups: Array,
    most: Array,
    count: int,
    chosen: Array,
    /,
) -> None: ...
def explorable(
    words: Array,
    width: int,
    word: int,
    bit: int,
    score: Array,
    query: Array,
    rows: Array,
    creators: Array,
    shown: Array,
    count: int,
    drawable: Array,
    /,
) -> int: ...
def without_each(
    nearness: Array,
    strengths: Array,
    next_strength: Array,
    query: Array,
    liking: Array,
    videos: Array,
    similar: Array,
    liking_without: Array,
    /,
) -> None: ...
def reasons(
    contributions: Array,
    features: Array,
    ends: Array,
    by_feature: Array,
    sources: Array,
    source_weights: Array,
    words: Array,
    count: int,
    least_second: float,
    share: Array,
    first: Array,
    weight: Array,
    second: Array,
    second_weight: Array,
    /,
) -> None: ...
def named_rows(names: tuple[str, ...], values: Array, /) -> list[dict[str, float]]: ...
def distinct(rows: Array, found: Array, place: Array, /) -> int: ...
def told(among: Array, place: Array, count: int, told: Array, /) -> None: ...
def counted(rows: Array, counted: Array, columns: int, counts: Array, /) -> None: ...
