"""Exposures as a slate knows them: it is made before the person meets anything, so some of it is a guess."""

from collections.abc import Iterable

from ranker.learning.fields import hour_of
from ranker.learning.model import Shown


def as_served(shown: Iterable[Shown]) -> list[Shown]:
    """The same exposures on the surface, at the hour and at the time of their people's last ones.

    Of somebody without any the surface is unknown, and the time is the exposure's own.
    """
    return [_as_served(one) for one in shown]


def _as_served(one: Shown) -> Shown:
    surfaces = one.counters.surfaces
    surface = surfaces[-1].surface if surfaces else ""
    at_ms = one.counters.at_ms or one.at_ms
    return one._replace(exposure=one.exposure._replace(surface=surface, hour=hour_of(at_ms)), at_ms=at_ms)
