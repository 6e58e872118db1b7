"""Whether the compiled loops are used. Both forms give the same bits, so nothing but the time shows which one ran."""

from collections.abc import Iterator
from contextlib import contextmanager

from ranker.pipeline.kernel.version import version

try:
    from ranker.pipeline.kernel import compiled

    IS_BUILT = version() == compiled.VERSION
except ImportError:
    IS_BUILT = False

_used = IS_BUILT


def use(wanted: bool) -> None:
    """Use the compiled loops in this process from now on, where they were built of these sources; or NumPy."""
    global _used
    _used = wanted and IS_BUILT


def is_used() -> bool:
    """Whether loops run compiled in this process."""
    return _used


@contextmanager
def switched(wanted: bool) -> Iterator[None]:
    """Use them, or NumPy, for a while."""
    before = _used
    use(wanted)
    try:
        yield
    finally:
        use(before)
